"""/v1/analytics/daily: the numbers that the events moved."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from analytics.services import rollups
from analytics.tasks import on_event
from tests.cast import Caller, assert_problem, refused_parameter
from tests.events_by_hand import delivered


def work(caller: Caller) -> dict[str, Any]:
    """A task that is created, completed and deleted, with its events consumed, each of them twice."""
    task = caller.make()
    caller.patch(f"/v1/tasks/{task['id']}", {"status": "completed"})
    caller.delete(f"/v1/tasks/{task['id']}")
    for event in delivered(task["id"], *rollups.COUNTED) * 2:
        consume(event)
    return task


def consume(event: dict[str, Any]) -> None:
    on_event.apply(kwargs={"event": event}, throw=True)


def today() -> str:
    return datetime.now(UTC).date().isoformat()


def test_each_event_counts_once(alice: Caller) -> None:
    work(alice)
    work(alice)
    days = alice.get("/v1/analytics/daily").json()["results"]
    assert days[-1] == {"date": today(), "created": 2, "completed": 2, "deleted": 2}


def test_thirty_days_by_default_with_the_empty_ones(alice: Caller) -> None:
    days = alice.get("/v1/analytics/daily").json()["results"]
    first = datetime.now(UTC).date() - timedelta(days=29)
    assert [day["date"] for day in days] == [(first + timedelta(days=n)).isoformat() for n in range(30)]
    assert all(day["created"] == 0 for day in days)


def test_the_numbers_are_ones_own(alice: Caller, bob: Caller) -> None:
    work(alice)
    assert bob.get("/v1/analytics/daily").json()["results"][-1]["created"] == 0


def test_an_admin_sees_everybodys_and_anybodys(alice: Caller, bob: Caller, ada: Caller) -> None:
    work(alice)
    work(bob)
    assert ada.get("/v1/analytics/daily", owner="any").json()["results"][-1]["created"] == 2
    assert ada.get("/v1/analytics/daily", owner=bob.id).json()["results"][-1]["created"] == 1


@pytest.mark.parametrize("owner", ["any", "somebody"])
def test_the_numbers_of_others_need_the_permission(alice: Caller, owner: str) -> None:
    problem = assert_problem(alice.get("/v1/analytics/daily", owner=owner), 403, "forbidden")
    assert problem["required_permission"] == "tasks:admin"


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ({"from": "2026-13-01"}, "from"),
        ({"to": "yesterday"}, "to"),
        ({"from": "2026-W01-1"}, "from"),
        ({"from": "2026-02-01", "to": "2026-01-01"}, "from"),
        ({"from": "2025-01-01", "to": "2026-01-02"}, "from"),
        ({"days": "7"}, "days"),
    ],
)
def test_a_range_that_is_none_is_refused(alice: Caller, query: dict[str, Any], parameter: str) -> None:
    assert refused_parameter(alice.get("/v1/analytics/daily", **query)) == parameter


def test_a_year_is_answered_whole(alice: Caller) -> None:
    answer = alice.get("/v1/analytics/daily?from=2024-01-01&to=2024-12-31")
    assert len(answer.json()["results"]) == 366
