"""POST /v1/tasks/bulk with an Idempotency-Key: one effect, one answer, told only to whom its tasks may be told"""

from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from config.api.models import IdempotencyKey
from config.data.statements import LostRace
from config.events.models import Event
from tasks_app.models import Task
from tasks_app.services import rows
from tests.cast import Answer, Caller, assert_problem
from tests.tasks_app.bulk import bulk, create, delete, results, state, statuses, update
from tests.tasks_app.test_tasks_get import NO_TASK, where
from tests.threads import at_once

pytestmark = pytest.mark.django_db


def keyed(caller: Caller, *operations: Any, key: str = "k", **members: Any) -> Answer:
    return bulk(caller, *operations, headers={"idempotency_key": key}, **members)


@pytest.mark.parametrize("mode", ["atomic", "partial"])
def test_bulk_again_is_the_first_answer(alice: Caller, mode: str) -> None:
    task = alice.make()
    operations = [create(), update(task, title="x"), delete(task)]
    first, before = keyed(alice, *operations, mode=mode), state()
    again = keyed(alice, *operations, mode=mode)
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.headers["Consistency-Token"] == first.headers["Consistency-Token"]
    assert state() == before


def test_bulk_another_body_with_the_key_is_422(alice: Caller) -> None:
    keyed(alice, create())
    assert_problem(keyed(alice, create(), create()), 422, "idempotency-mismatch")
    assert_problem(keyed(alice, create(), mode="partial"), 422, "idempotency-mismatch")
    assert Task.objects.count() == 1


def test_bulk_refusal_is_an_answer_too(alice: Caller) -> None:
    task = alice.make()
    first = keyed(alice, update(task, 1, title="x"), delete(NO_TASK))
    again = keyed(alice, update(task, 1, title="x"), delete(NO_TASK))
    assert_problem(first, 404)
    assert (again.content, again.headers["Idempotency-Replayed"]) == (first.content, "true")


def test_bulk_403_leaves_the_key_free(alice: Caller, bob: Caller) -> None:
    task = alice.make(assignee=bob.id)
    assert_problem(keyed(bob, delete(task)), 403)
    assert IdempotencyKey.objects.count() == 0


def test_bulk_dry_run_takes_no_key(alice: Caller) -> None:
    assert keyed(alice, create(), dry_run=True).status_code == 200
    answer = keyed(alice, create())
    assert (answer.status_code, "Idempotency-Replayed" in answer.headers) == (200, False)


def test_bulk_replay_is_not_shown_to_whom_one_of_its_tasks_is_hidden_now(alice: Caller, bob: Caller) -> None:
    shared, own = alice.make(assignee=bob.id, title="secret"), bob.make()
    operations = [update(shared, status="completed"), update(own, title="x")]
    assert keyed(bob, *operations).status_code == 200
    alice.patch(where(shared), {"assignee": None})
    hidden = keyed(bob, *operations)
    assert_problem(hidden, 404)
    assert b"secret" not in hidden.content


def test_bulk_replay_of_a_trashed_task_is_told(alice: Caller) -> None:
    task = alice.make()
    first = keyed(alice, update(task, title="x"), create())
    alice.delete(where(task))
    assert keyed(alice, update(task, title="x"), create()).content == first.content


@pytest.mark.parametrize("mode", ["atomic", "partial"])
def test_a_purge_of_any_task_takes_the_stored_answer(alice: Caller, mode: str) -> None:
    one, other = alice.make(title="secret 1"), alice.make()
    calls = [[update(other, title="secret 2"), update(one, status="pending"), create()], [delete(one), create()]]
    for number, operations in enumerate(calls):
        keyed(alice, *operations, key=f"{number}", mode=mode)
    keyed(alice, update(other, title="kept"), key="other", mode=mode)
    assert alice.delete(f"/v1/trash/{one['id']}").status_code == 204
    for number, operations in enumerate(calls):
        gone = keyed(alice, *operations, key=f"{number}", mode=mode)
        assert_problem(gone, 410, "gone")
        assert b"secret" not in gone.content
    assert not any(b"secret" in bytes(key.body) for key in IdempotencyKey.objects.all())
    assert keyed(alice, update(other, title="kept"), key="other", mode=mode).headers["Idempotency-Replayed"] == "true"


def test_a_purge_finds_the_stored_answers_by_an_index(alice: Caller) -> None:
    keyed(alice, create(), create())
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        told = IdempotencyKey.objects.filter(subjects__contains=[UUID(NO_TASK)]) | IdempotencyKey.objects.filter(
            subject=NO_TASK
        )
        plan = told.explain()
    assert "idempotency_key_subjects" in plan
    assert "Seq Scan" not in plan


@pytest.mark.django_db(transaction=True)
def test_bulk_stores_no_text_of_a_task_that_was_purged_meanwhile(
    alice: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bulk leaves the task as it is, and a whole deletion and purge happens between its look and its commit."""
    task, hold = alice.make(title="secret"), rows.hold
    meanwhile: list[int] = []

    def purge_first(tasks: Any) -> Any:
        if tasks and not meanwhile:
            meanwhile.append(at_once(1, lambda _: alice.delete(where(task)))[0].status_code)
            meanwhile.append(at_once(1, lambda _: alice.delete(f"/v1/trash/{task['id']}"))[0].status_code)
        return hold(tasks)

    monkeypatch.setattr(rows, "hold", purge_first)
    assert statuses(keyed(alice, update(task), create(), mode="partial")) == [404, 201]
    assert meanwhile == [204, 204]
    assert not any(b"secret" in bytes(key.body) for key in IdempotencyKey.objects.all())


@pytest.mark.django_db(transaction=True)
def test_a_bulk_that_lost_a_race_is_decided_again(alice: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    task, update_, tries = alice.make(), rows.update, []

    def lose_once(changes: Any) -> Any:
        tries.append(len(changes))
        if len(tries) == 1:
            assert at_once(1, lambda _: alice.patch(where(task), {"labels": ["hers"]}))[0].status_code == 200
        return update_(changes)

    monkeypatch.setattr(rows, "update", lose_once)
    body = results(keyed(alice, create(), update(task, title="x")), 200)[1]["body"]
    assert (body["version"], body["labels"], body["title"]) == (3, ["hers"], "x")
    assert (Task.objects.count(), Event.objects.count()) == (2, 4)


def test_a_bulk_that_always_loses_is_503_and_changes_nothing(alice: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    task = alice.make()
    before = state()

    def lose(_: Any) -> None:
        raise LostRace

    with monkeypatch.context() as broken:
        broken.setattr(rows, "update", lose)
        answer = keyed(alice, create(), update(task, title="x"), mode="partial")
    assert_problem(answer, 503)
    assert int(answer.headers["Retry-After"]) >= 1
    assert state() == before
    assert statuses(keyed(alice, create(), update(task, title="x"), mode="partial")) == [201, 200]
