"""/v1/analytics/summary: totals, and how long tasks took."""

from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F

from analytics.services import summary
from tasks_app.models import Task
from tests.analytics.test_analytics_daily import work
from tests.cast import Caller


def took(caller: Caller, *seconds: int) -> None:
    """Tasks that were completed so many seconds after they were made."""
    for number in seconds:
        task = caller.make(status="completed")
        Task.objects.filter(id=task["id"]).update(completed_at=F("created_at") + timedelta(seconds=number))


def times(caller: Caller, **query: Any) -> dict[str, Any]:
    found: dict[str, Any] = caller.get("/v1/analytics/summary", **query).json()["completion_seconds"]
    return found


def test_the_totals_add_up(alice: Caller) -> None:
    work(alice)
    work(alice)
    answer = alice.get("/v1/analytics/summary").json()
    assert (answer["created"], answer["completed"], answer["deleted"]) == (2, 2, 2)


def test_the_percentiles_are_those_of_the_completed_tasks(alice: Caller, bob: Caller) -> None:
    took(alice, *range(1, 22))
    took(bob, 5000)
    alice.make()
    alice.delete(f"/v1/tasks/{alice.make(status='completed')['id']}")
    assert times(alice) == {"count": 21, "p50": 11.0, "p95": 20.0}


def test_without_a_completed_task_there_are_no_percentiles(alice: Caller) -> None:
    alice.make()
    assert times(alice) == {"count": 0, "p50": None, "p95": None}


def test_an_admin_sees_everybodys(alice: Caller, bob: Caller, ada: Caller) -> None:
    took(alice, 10)
    took(bob, 30)
    assert times(ada, owner="any") == {"count": 2, "p50": 20.0, "p95": 29.0}
    assert times(ada, owner=bob.id)["p50"] == 30.0


def test_only_the_newest_tasks_are_looked_at(alice: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    took(alice, 100, 1, 2)
    monkeypatch.setattr(summary, "SAMPLE", 2)
    assert times(alice) == {"count": 2, "p50": 1.5, "p95": 1.95}


@pytest.mark.parametrize("to", ["1970-01-01", "1970-01-05", "9000-12-31"])
def test_the_ends_of_time_are_answered(alice: Caller, to: str) -> None:
    for resource in ("summary", "daily"):
        assert alice.get(f"/v1/analytics/{resource}", to=to).status_code == 200
