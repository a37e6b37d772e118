"""What every request leaves behind: one line, one measurement, its ids on the answer."""

import asyncio
import logging
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings
from django.urls import path
from prometheus_client import generate_latest

from config.observability import context, exposition
from config.server import later
from config.server.later import Later
from config.urls import handler404, handler500  # noqa: F401 - Django looks for them here
from tests.cast import Caller, assert_problem
from tests.observability import samples

COUNT = "http_server_request_duration_seconds_count"
TRACE = f"00-{'4bf92f3577b34da6a3ce929d0e0e4736'}-{'00f067aa0ba902b7'}-01"


def fail(request: HttpRequest, number: int) -> HttpResponse:
    raise ZeroDivisionError("a bug")


def tell(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"{context.request_id.get()} {context.traceparent.get()}")


async def news() -> str:
    await asyncio.sleep(0.2)
    return "news"


def wait(request: HttpRequest) -> HttpResponse:
    """Twice for news, and tells its ids each time."""
    before = later.before(request)
    told = [*(before.kept["told"] if before else []), f"{context.request_id.get()} {context.traceparent.get()}"]
    return HttpResponse("\n".join(told)) if len(told) == 3 else Later(news, time.monotonic() + 20, told=told)


urlpatterns = [path("fail/<int:number>", fail), path("tell", tell), path("wait", wait)]


@pytest.fixture
def lines() -> Iterator[list[Any]]:
    """The lines of requests, as records."""
    records: list[Any] = []
    handler = logging.Handler()
    handler.emit = records.append  # type: ignore[method-assign, assignment]
    logger = logging.getLogger("api")
    logger.addHandler(handler)
    yield records
    logger.removeHandler(handler)


def counted(**labels: str) -> float:
    found = samples.parse(generate_latest(exposition.registry()).decode())
    return samples.total(found, COUNT, **labels) or 0


def test_each_request_is_one_line_with_its_route(alice: Caller, lines: list[Any]) -> None:
    task = alice.make()
    lines.clear()
    answer = alice.get(f"/v1/tasks/{task['id']}", headers={"X-Request-Id": "my-id"})
    (line,) = lines
    assert answer.headers["X-Request-Id"] == "my-id"
    assert (line.endpoint, line.method, line.status) == ("/v1/tasks/<id:id>", "GET", 200)
    assert line.duration > 0


def test_a_refused_call_is_a_line_and_a_measurement_too(lines: list[Any]) -> None:
    before = counted(route="unknown", status="404")
    assert_problem(Client().get("/nowhere/of-mine"), 404)
    (line,) = lines
    assert (line.endpoint, line.status, line.levelname) == ("unknown", 404, "INFO")
    assert counted(route="unknown", status="404") == before + 1


def test_paths_do_not_become_metrics() -> None:
    Client().get("/nowhere/of-mine")
    assert "of-mine" not in generate_latest(exposition.registry()).decode()


def test_odd_methods_do_not_become_metrics() -> None:
    Client().generic("BREW", "/nowhere")
    assert counted(method="other", status="404") > 0
    assert counted(method="BREW") == 0


@override_settings(ROOT_URLCONF=__name__)
def test_a_bug_is_a_line_a_measurement_and_an_answer_with_the_id(lines: list[Any]) -> None:
    client = Client(raise_request_exception=False)
    answer = client.get("/fail/7", headers={"X-Request-Id": "bug-1"})
    problem = assert_problem(answer, 500)
    (line,) = lines
    assert problem["request_id"] == "bug-1"
    assert (line.endpoint, line.status) == ("/fail/<int:number>", 500)
    assert counted(route="/fail/<int:number>", status="500") == 1
    assert counted_in_flight() == 0


def counted_in_flight() -> float | None:
    found = samples.parse(generate_latest(exposition.registry()).decode())
    return samples.total(found, "http_server_active_requests")


@override_settings(ROOT_URLCONF=__name__)
def test_a_call_s_ids_are_bound_while_it_runs_and_no_longer() -> None:
    answer = Client().get("/tell", headers={"X-Request-Id": "r-1", "traceparent": TRACE})
    assert answer.content.decode() == f"r-1 {TRACE}"
    assert (context.request_id.get(), context.traceparent.get()) == (None, None)


@override_settings(ROOT_URLCONF=__name__)
def test_a_call_without_good_ids_gets_some() -> None:
    answer = Client().get("/tell", headers={"X-Request-Id": "no good", "traceparent": "00-zz"})
    request_id, traceparent = answer.content.decode().split()
    assert answer.headers["X-Request-Id"] == request_id
    assert context.accept_request_id(request_id) == request_id
    assert context.valid_traceparent(traceparent) == traceparent


@pytest.mark.django_db  # the first of its answers is closed, which looks at the connections that others have left
@override_settings(ROOT_URLCONF=__name__)
def test_a_call_that_waits_is_one_call_with_one_id_and_all_of_its_time(lines: list[Any]) -> None:
    answer = Client().get("/wait")
    (line,) = lines
    assert (line.endpoint, line.status) == ("/wait", 200)
    assert line.duration >= 0.4  # both waits
    assert counted(route="/wait") == 1
    (told,) = set(answer.content.decode().split("\n"))
    assert told.split()[0] == answer.headers["X-Request-Id"]
    assert counted_in_flight() == 0


def test_probes_are_told_at_debug_only(lines: list[Any]) -> None:
    Client().get("/livez")
    assert lines == []
    assert counted(route="/livez", status="200") > 0
