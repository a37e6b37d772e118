"""/livez, /readyz and the line and the measurement of a request."""

import json
import logging
from typing import Any

import pytest
from django.db import connections
from django.test import Client
from prometheus_client import generate_latest

from config.observability import health, metrics
from tests.cast import Caller


@pytest.fixture(autouse=True)
def nothing_remembered() -> None:
    health._results.clear()


def test_live_needs_no_dependency() -> None:
    assert Client().get("/livez").content == b"ok\n"


def test_ready_while_the_primary_answers(db: None, redis: Any) -> None:
    answer = Client().get("/readyz", {"verbose": ""})
    assert answer.status_code == 200
    checks = answer.json()["checks"]
    assert {"primary", "redis", "broker", "partitions"} <= set(checks)
    assert checks["primary"]["status"] == "ok"
    assert checks["partitions"] == {"status": "ok", "detail": "3 months ahead"}


def test_a_dead_database_is_503_and_a_dead_broker_is_not(
    db: None, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.BROKER_URL = "amqp://127.0.0.1:1//"
    assert Client().get("/readyz").status_code == 200
    health._results.clear()
    monkeypatch.setattr(connections["default"], "cursor", _refuse)
    assert Client().get("/readyz").status_code == 503
    assert Client().get("/livez").status_code == 200


def _refuse(*_: Any) -> Any:
    from django.db import OperationalError  # noqa: PLC0415

    raise OperationalError("no connection")


def test_a_flood_of_probes_asks_once(db: None, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1):
        for _ in range(20):
            Client().get("/readyz")


def test_what_is_excluded_is_not_asked(db: None, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        assert Client().get("/readyz", {"exclude": "primary"}).status_code == 200


def test_each_request_is_one_line_with_its_route(alice: Caller, caplog: pytest.LogCaptureFixture) -> None:
    task = alice.make()
    with caplog.at_level(logging.INFO, logger="api"):
        answer = alice.get(f"/v1/tasks/{task['id']}", headers={"X-Request-Id": "my-id"})
    (record,) = [record for record in caplog.records if record.name == "api" and record.method == "GET"]  # type: ignore[attr-defined]
    assert answer.headers["X-Request-Id"] == "my-id"
    assert (record.endpoint, record.method, record.status) == ("/v1/tasks/<id:id>", "GET", 200)  # type: ignore[attr-defined]
    assert json.dumps(record.duration)  # type: ignore[attr-defined]


def test_paths_do_not_become_metrics(db: None) -> None:
    Client().get("/nowhere/12345")
    text = generate_latest(metrics.registry()).decode()
    assert 'route="unknown",status="404"' in text
    assert "12345" not in text
