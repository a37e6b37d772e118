"""GET /v1/tasks/{id}/history"""

from typing import Any

import pytest

from tests.cast import Caller, assert_problem, refused_parameter
from tests.tasks_app.test_tasks_get import where

pytestmark = pytest.mark.django_db


def history(task: dict[str, Any]) -> str:
    return f"{where(task)}/history"


def test_history_is_the_tasks_events_oldest_first_with_actor_and_differences(
    alice: Caller, bob: Caller, ada: Caller
) -> None:
    task = alice.make(title="one", assignee=bob.id)
    bob.patch(where(task), {"status": "completed"})
    ada.call("PATCH", where(task), {"title": "two"}, headers={"x-request-id": "call-7"})
    alice.delete(where(task))
    alice.post(f"{where(task)}/restore")
    answer = alice.get(history(task))
    rows = answer.json()["results"]
    assert [(row["type"], row["version"], row["actor"]) for row in rows] == [
        ("task.created", 1, alice.id),
        ("task.updated", 2, bob.id),
        ("task.completed", 2, bob.id),
        ("task.updated", 3, ada.id),
        ("task.deleted", 4, alice.id),
        ("task.restored", 5, alice.id),
    ]
    assert set(rows[0]) == {"id", "type", "version", "at", "actor", "request_id", "changes"}
    assert (rows[3]["changes"], rows[3]["request_id"]) == ({"title": {"from": "one", "to": "two"}}, "call-7")
    assert [row["at"] for row in rows] == sorted(row["at"] for row in rows)


def test_history_of_a_stranger_is_404_and_of_a_reader_200(alice: Caller, bob: Caller, ada: Caller) -> None:
    task = alice.make()
    assert_problem(bob.get(history(task)), 404)
    assert ada.get(history(task)).status_code == 200
    alice.patch(where(task), {"assignee": bob.id})
    assert bob.get(history(task)).json() == alice.get(history(task)).json()


def test_history_of_another_task_is_not_in_it(alice: Caller) -> None:
    one, other = alice.make(), alice.make()
    alice.patch(where(other), {"title": "x"})
    assert [row["type"] for row in alice.get(history(one)).json()["results"]] == ["task.created"]


def test_history_goes_on_in_the_trash(alice: Caller) -> None:
    task = alice.make()
    alice.delete(where(task))
    assert [row["type"] for row in alice.get(history(task)).json()["results"]] == ["task.created", "task.deleted"]


@pytest.mark.parametrize("size", [1, 2, 5])
def test_history_pages_hold_every_event_once(alice: Caller, size: int) -> None:
    task = alice.make()
    for number in range(6):
        alice.patch(where(task), {"title": f"{number}", "status": ["completed", "pending"][number % 2]})
    rows = alice.pages(history(task), page_size=size)
    assert rows == alice.get(history(task)).json()["results"]
    assert len(rows) == len({row["id"] for row in rows}) == 10


def test_history_cursor_belongs_to_one_task_and_one_caller(alice: Caller, ada: Caller) -> None:
    one, other = alice.make(), alice.make()
    for task in (one, other):
        alice.patch(where(task), {"title": "x"})
    cursor = alice.get(history(one), page_size=1).json()["next_cursor"]
    assert_problem(alice.get(history(other), cursor=cursor), 400, "invalid-cursor")
    assert_problem(ada.get(history(one), cursor=cursor), 400, "invalid-cursor")
    assert_problem(alice.get("/v1/tasks", cursor=cursor), 400, "invalid-cursor")


def test_history_takes_no_other_parameter(alice: Caller) -> None:
    assert refused_parameter(alice.get(history(alice.make()), type="task.created")) == "type"


def test_history_counts_its_queries(alice: Caller, django_assert_num_queries: Any) -> None:
    task = alice.make()
    for number in range(5):
        alice.patch(where(task), {"title": f"{number}"})
        with django_assert_num_queries(2):
            alice.get(history(task))
