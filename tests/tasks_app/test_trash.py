"""/v1/trash, restore and purge"""

from typing import Any

import pytest

from config.api.models import IdempotencyKey
from config.events.models import Event
from tasks_app.models import Task
from tests.cast import Caller, assert_problem
from tests.tasks_app.test_tasks_get import NO_TASK, where
from tests.threads import at_once

pytestmark = pytest.mark.django_db
TRASH = "/v1/trash"


def trashed(caller: Caller, **fields: Any) -> dict[str, Any]:
    """A task that was made and deleted, as the trash shows it."""
    task = caller.make(**fields)
    assert caller.delete(where(task)).status_code == 204
    (row,) = [row for row in caller.pages(TRASH) if row["id"] == task["id"]]
    return row


def purge_path(task: dict[str, Any]) -> str:
    return f"{TRASH}/{task['id']}"


def test_trash_lists_own_deleted_tasks_newest_deletion_first(alice: Caller, bob: Caller, ada: Caller) -> None:
    first, second = alice.make(title="a"), alice.make(title="b")
    alice.make(title="alive")
    for task in (second, first):
        alice.delete(where(task))
    trashed(bob)
    rows = alice.get(TRASH).json()["results"]
    assert [row["title"] for row in rows] in (["a", "b"], ["b", "a"])
    assert [row["deleted_at"] for row in rows] == sorted((row["deleted_at"] for row in rows), reverse=True)
    assert ada.get(TRASH).json() == {"results": [], "next_cursor": None}


def test_trash_takes_no_filter(alice: Caller) -> None:
    assert_problem(alice.get(TRASH, status="pending"), 400, "invalid-parameter")


def test_trash_of_an_assignee_does_not_show_the_task(alice: Caller, bob: Caller) -> None:
    trashed(alice, assignee=bob.id)
    assert bob.get(TRASH).json()["results"] == []


def test_restore_brings_the_task_back_as_it_was(alice: Caller) -> None:
    row = trashed(alice, title="back", labels=["a"], status="completed")
    answer = alice.post(f"{where(row)}/restore")
    task = answer.json()
    assert (answer.status_code, answer.headers["ETag"]) == (200, '"3"')
    assert task == {**row, "version": 3, "deleted_at": None, "updated_at": task["updated_at"]}
    assert alice.get(where(row)).content == answer.content
    assert alice.get(TRASH).json()["results"] == []
    event = Event.objects.get(type="task.restored")
    assert (event.version, event.changes) == (3, {"deleted_at": {"from": row["deleted_at"], "to": None}})


def test_restore_of_a_task_that_is_not_deleted_is_409(alice: Caller) -> None:
    task = alice.make()
    assert_problem(alice.post(f"{where(task)}/restore"), 409, "conflict")
    assert_problem(alice.post(f"/v1/tasks/{NO_TASK}/restore"), 404)


@pytest.mark.parametrize(("tag", "status"), [('"2"', 200), ("*", 200), ('"1"', 412), ("2", 400)])
def test_restore_if_match(alice: Caller, tag: str, status: int) -> None:
    assert alice.post(f"{where(trashed(alice))}/restore", if_match=tag).status_code == status


def test_purge_takes_the_task_and_its_text_everywhere(alice: Caller) -> None:
    made = alice.post("/v1/tasks", {"title": "secret-1", "description": "secret-2"}, idempotency_key="a")
    path = made.headers["Location"]
    alice.patch(path, {"title": "secret-3"}, idempotency_key="b")
    alice.delete(path, idempotency_key="c")
    answer = alice.delete(purge_path(made.json()), idempotency_key="d")
    assert (answer.status_code, answer.content) == (204, b"")
    assert Task.objects.count() == 0
    assert alice.get(TRASH).json()["results"] == []
    assert_problem(alice.get(f"{path}/history"), 404)
    assert not Event.objects.exclude(changes=None).exists()
    assert not Event.objects.exclude(data=None).exists()
    assert all(b"secret" not in bytes(key.body) for key in IdempotencyKey.objects.all())
    for headers, call in (("a", alice.post), ("b", alice.patch)):
        body = {"title": "secret-1", "description": "secret-2"} if call == alice.post else {"title": "secret-3"}
        again = call("/v1/tasks" if call == alice.post else path, body, idempotency_key=headers)
        assert_problem(again, 410, "gone")
        assert b"secret" not in again.content
    types = Event.objects.order_by("xid", "id").values_list("type", "version")
    assert list(types) == [("task.created", 1), ("task.updated", 2), ("task.deleted", 3), ("task.purged", 4)]


def test_purge_again_with_its_key_is_the_first_answer(alice: Caller) -> None:
    path = purge_path(trashed(alice))
    first, again = alice.delete(path, idempotency_key="k"), alice.delete(path, idempotency_key="k")
    assert (first.status_code, again.status_code, again.headers["Idempotency-Replayed"]) == (204, 204, "true")
    assert_problem(alice.delete(path), 404)


def test_purge_of_a_task_that_is_not_in_the_trash_is_404(alice: Caller) -> None:
    task = alice.make()
    assert_problem(alice.delete(purge_path(task)), 404)
    assert alice.get(where(task)).json() == task


def test_purge_if_match(alice: Caller) -> None:
    row = trashed(alice)
    assert assert_problem(alice.delete(purge_path(row), if_match='"1"'), 412)["version"] == 2
    assert alice.delete(purge_path(row), if_match='"2"').status_code == 204


def test_a_task_can_be_deleted_and_restored_again_and_again(alice: Caller) -> None:
    task = alice.make()
    for round_ in range(3):
        assert alice.delete(where(task)).status_code == 204
        assert alice.post(f"{where(task)}/restore").json()["version"] == 3 + 2 * round_


@pytest.mark.django_db(transaction=True)
def test_restore_and_purge_at_once_leave_one_of_two_states(alice: Caller) -> None:
    for _ in range(6):
        row = trashed(alice)
        calls = [lambda row=row: alice.post(f"{where(row)}/restore"), lambda row=row: alice.delete(purge_path(row))]
        restored, purged = at_once(2, lambda n, calls=calls: calls[n]())  # type: ignore[misc]
        there = Task.objects.filter(id=row["id"]).exists()
        assert (restored.status_code, purged.status_code) in {(200, 404), (404, 204)}
        assert there == (restored.status_code == 200)
