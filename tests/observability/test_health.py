"""/livez and /readyz: what takes an instance out of the load balancer, and what does not."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connections
from django.test import Client

from config.observability import checks, health
from config.observability.health import Result
from config.observability.probe import Probe
from tests.config.postgres_pair import PostgresPair
from tests.config.servers import eventually

pytestmark = pytest.mark.usefixtures("asked_anew")


def verbose(**query: Any) -> tuple[int, dict[str, dict[str, str]]]:
    answer = Client().get("/readyz", {"verbose": "", **query})
    return answer.status_code, answer.json()["checks"]


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Of a server that takes connections and never says a word, as a frozen one does."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def database_at(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"HOST": "127.0.0.1", "PORT": str(port)}.items():
        monkeypatch.setitem(connections.settings["default"], name, value)


def test_ready_while_the_primary_answers(db: None, redis: Any, settings: Any) -> None:
    settings.BROKER_URL = settings.CACHE_URL
    status, found = verbose()
    assert status == 200
    assert {name: check["status"] for name, check in found.items()} == dict.fromkeys(
        ["primary", "redis", "broker", "partitions", "migrations", "relay"], "ok"
    )
    assert found["partitions"]["detail"] == "3 months ahead"


def test_an_app_s_check_is_told_and_does_not_decide(db: None) -> None:
    health.register("odd", lambda: Result("failed", "as always"))
    status, found = verbose()
    assert (status, found["odd"]) == (200, {"status": "failed", "detail": "as always"})


def test_a_check_with_an_error_is_no_error_of_the_probe(db: None) -> None:
    health.register("broken", lambda: Result(str(1 // 0)))
    status, found = verbose()
    assert (status, found["broken"]) == (200, {"status": "failed", "detail": "ZeroDivisionError"})


def test_a_dead_database_makes_unready_but_not_dead(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    database_at(1, monkeypatch)
    assert Client().get("/readyz").status_code == 503
    assert Client().get("/livez").status_code == 200
    status, found = verbose()
    assert (status, found["primary"]) == (503, {"status": "failed", "detail": "OperationalError"})


def test_a_frozen_database_is_told_though_it_never_answers(
    db: None, monkeypatch: pytest.MonkeyPatch, silent_port: int
) -> None:
    database_at(silent_port, monkeypatch)
    assert verbose()[1]["primary"] == {"status": "failed", "detail": "it does not answer"}
    assert Client().get("/livez").status_code == 200


def test_ready_again_when_the_database_is_back(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as outage:
        database_at(1, outage)
        assert Client().get("/readyz").status_code == 503
    eventually(lambda: Client().get("/readyz").status_code == 200, "the return")


def test_dead_broker_and_redis_leave_it_ready(
    db: None, settings: Any, monkeypatch: pytest.MonkeyPatch, silent_port: int
) -> None:
    for port in (1, silent_port):
        for scheme in ("amqp", "redis"):
            settings.BROKER_URL = f"{scheme}://127.0.0.1:{port}/0"
            result = checks.broker()
            assert result.status == "warning", settings.BROKER_URL
            assert result.detail.endswith("events wait in the log")
    assert Client().get("/readyz").status_code == 200


def test_missing_months_are_a_warning(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "LEAST_MONTHS", 4)
    assert verbose()[1]["partitions"] == {"status": "warning", "detail": "3 months ahead: run manage.py partitions"}


def test_ready_while_only_a_replica_answers(postgres_pair: PostgresPair, on_the_pair: None) -> None:
    """Reads go on without the primary: taking the instance away would end them."""
    checks.register()
    status, found = verbose()
    assert (status, found["primary"]["status"], found["replica-1"]["status"]) == (200, "ok", "ok")
    postgres_pair.stop("primary")
    try:
        eventually(lambda: verbose()[1]["primary"]["status"] == "failed", "the notice")
        assert verbose()[0] == 200
        assert verbose(exclude="replica-1")[0] == 503
    finally:
        postgres_pair.start("primary")


def test_a_standby_in_place_of_the_primary_is_a_warning(
    postgres_pair: PostgresPair, on_the_pair: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as misled:  # ends before the pair goes
        database_at(int(postgres_pair.settings("replica")["PORT"]), misled)
        status, found = verbose()
    assert (status, found["primary"]["status"]) == (200, "warning")


def test_a_flood_of_probes_is_one_question() -> None:
    asked: list[int] = []
    probe = Probe(lambda: asked.append(1))
    for _ in range(100):
        probe.start()
        probe.answer()
    assert len(asked) == 1


def test_what_is_excluded_is_not_asked() -> None:
    asked: list[str] = []

    def ask() -> Result:
        asked.append("primary")
        return Result("ok")

    health.register_database("primary", ask)
    assert Client().get("/readyz", {"exclude": "primary"}).status_code == 200
    assert asked == []
    assert Client().get("/readyz").status_code == 200
    assert asked == ["primary"]


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_probes_are_not_cached_and_need_no_token(db: None, path: str) -> None:
    for method in ("get", "head"):
        answer = getattr(Client(), method)(path)
        assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
