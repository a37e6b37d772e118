"""DELETE /v1/tasks/{id}: into the trash"""

from typing import Any

import pytest

from config.events.models import Event
from tasks_app.models import Task
from tests.cast import Caller, assert_problem
from tests.tasks_app.test_tasks_get import NO_TASK, where

pytestmark = pytest.mark.django_db


def test_tasks_delete_anonymous_is_401(alice: Caller, anonymous: Caller) -> None:
    assert_problem(anonymous.delete(where(alice.make())), 401)


def test_tasks_delete_viewer_is_403(alice: Caller, vera: Caller) -> None:
    problem = assert_problem(vera.delete(where(alice.make())), 403)
    assert problem["required_permission"] == "tasks:delete"


def test_tasks_delete_stranger_is_404_and_the_task_stays(alice: Caller, bob: Caller) -> None:
    task = alice.make()
    assert_problem(bob.delete(where(task)), 404)
    assert_problem(bob.delete(f"/v1/tasks/{NO_TASK}"), 404)
    assert alice.get(where(task)).json() == task


def test_tasks_delete_assignee_is_403_and_the_task_stays(alice: Caller, bob: Caller) -> None:
    task = alice.make(assignee=bob.id)
    assert_problem(bob.delete(where(task)), 403)
    assert alice.get(where(task)).json() == task


def test_tasks_delete_puts_the_task_into_the_trash(alice: Caller) -> None:
    task = alice.make()
    answer = alice.delete(where(task))
    assert (answer.status_code, answer.content) == (204, b"")
    assert "Content-Type" not in answer.headers
    assert answer.headers["Consistency-Token"]
    assert_problem(alice.get(where(task)), 404)
    assert alice.get("/v1/tasks").json()["results"] == []
    (trashed,) = alice.get("/v1/trash").json()["results"]
    expected = {**task, "version": 2, "deleted_at": trashed["deleted_at"], "updated_at": trashed["updated_at"]}
    assert trashed == expected
    assert trashed["deleted_at"] is not None


def test_tasks_delete_writes_one_event(alice: Caller) -> None:
    task = alice.make()
    alice.delete(where(task))
    event = Event.objects.get(type="task.deleted")
    assert (str(event.subject), event.version, event.owner, event.actor) == (task["id"], 2, alice.id, alice.id)
    (trashed,) = alice.get("/v1/trash").json()["results"]
    assert event.changes == {"deleted_at": {"from": None, "to": trashed["deleted_at"]}}


def test_tasks_delete_twice_is_404(alice: Caller) -> None:
    task = alice.make()
    alice.delete(where(task))
    assert_problem(alice.delete(where(task)), 404)
    assert Event.objects.filter(type="task.deleted").count() == 1


def test_tasks_delete_admin_deletes_everybodys_into_their_trash(alice: Caller, ada: Caller) -> None:
    task = alice.make()
    assert ada.delete(where(task)).status_code == 204
    assert [row["id"] for row in alice.get("/v1/trash").json()["results"]] == [task["id"]]
    assert ada.get("/v1/trash").json()["results"] == []


@pytest.mark.parametrize(("tag", "status"), [('"1"', 204), ('W/"1"', 204), ("*", 204), ('"2"', 412), ("1", 400)])
def test_tasks_delete_if_match(alice: Caller, tag: str, status: int) -> None:
    task = alice.make()
    answer = alice.delete(where(task), if_match=tag)
    assert answer.status_code == status
    assert (Task.objects.get().deleted_at is None) == (status != 204)
    if status == 412:
        assert assert_problem(answer, 412)["version"] == 1


def test_tasks_delete_counts_its_queries(alice: Caller, django_assert_num_queries: Any) -> None:
    task = alice.make()
    with django_assert_num_queries(4):
        alice.delete(where(task))
