"""Many writers on few tasks: nothing is lost, and the versions of a task ascend in the order of the log"""

import random
import threading
from collections import defaultdict
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from config.api.models import IdempotencyKey
from config.data.statements import LostRace
from config.events.models import Event
from tasks_app.models import Task
from tasks_app.services import rows as service
from tests.cast import Caller
from tests.tasks_app.test_tasks_get import where
from tests.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)
WRITERS, TASKS, WRITES = 8, 3, 25


def test_versions_ascend_in_the_order_of_the_log(alice: Caller, ada: Caller, limits: Callable[..., None]) -> None:
    """Eight writers on three tasks. By id alone, or with a lock taken after the first write, they do not."""
    limits(user=(100_000, 60), task=(100_000, 60))
    tasks = [alice.make(title=f"task {n}") for n in range(TASKS)]

    def write(number: int) -> list[int]:
        chance, statuses = random.Random(number), []
        for n in range(WRITES):
            caller = alice if number % 2 else ada
            body = {"title": f"{number} {n}", "status": chance.choice(["pending", "in-progress", "completed"])}
            statuses.append(caller.patch(where(chance.choice(tasks)), body).status_code)
        return statuses

    statuses = [status for one in at_once(WRITERS, write) for status in one]
    assert set(statuses) <= {200, 503}
    assert statuses.count(200) > len(statuses) * 0.9, "a lost race is tried again behind a lock"
    logged: dict[Any, list[tuple[str, int]]] = defaultdict(list)
    for event in Event.objects.order_by("xid", "id"):
        logged[event.subject].append((event.type, event.version or 0))
    for task in Task.objects.all():
        updates = [version for kind, version in logged[task.id] if kind != "task.completed"]
        assert updates == list(range(1, task.version + 1))
        assert [version for _, version in logged[task.id]] == sorted(version for _, version in logged[task.id])
    assert sum(task.version - 1 for task in Task.objects.all()) == statuses.count(200)


def test_a_lost_race_is_tried_again_behind_the_lock_of_the_task(alice: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first try pays for no lock; the next ones queue up instead of missing each other again."""
    task, locks, update = alice.make(), [], service.update
    key = UUID(task["id"]).int & (2**63 - 1)

    def lose_once(*arguments: Any) -> Any:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = %s AND objid = %s",
                [key >> 32, key & (2**32 - 1)],
            )
            locks.append(cursor.fetchone()[0])
        if len(locks) == 1:
            raise LostRace
        return update(*arguments)

    monkeypatch.setattr(service, "update", lose_once)
    assert alice.patch(where(task), {"title": "x"}).status_code == 200
    assert locks == [0, 1]


def test_the_history_replays_to_the_task(alice: Caller, limits: Callable[..., None]) -> None:
    limits(user=(100_000, 60), task=(100_000, 60))
    task = alice.make(labels=["0"])

    def write(number: int) -> None:
        for n in range(10):
            name, value = (("title", f"{number} {n}"), ("labels", [f"{number}", f"{n}"]))[n % 2]
            alice.patch(where(task), {name: value})

    at_once(4, write)
    told = {"title": task["title"], "labels": task["labels"]}
    for event in Event.objects.filter(type="task.updated").order_by("xid", "id"):
        for name, change in (event.changes or {}).items():
            assert told[name] == change["from"], "no update was made on a state that another one had replaced"
            told[name] = change["to"]
    after = alice.get(where(task)).json()
    assert told == {name: after[name] for name in told}


def test_a_task_is_deleted_once_however_many_delete_it(alice: Caller) -> None:
    task = alice.make()
    statuses = [answer.status_code for answer in at_once(8, lambda _: alice.delete(where(task)))]
    assert sorted(statuses) == [204, *[404] * 7]
    assert Event.objects.filter(type="task.deleted").count() == 1


def test_a_patch_and_a_delete_at_once_end_in_the_trash(alice: Caller) -> None:
    for _ in range(5):
        task = alice.make()
        calls = [lambda: alice.patch(where(task), {"title": "x"}), lambda: alice.delete(where(task))]  # noqa: B023
        patched, deleted = at_once(2, lambda n: calls[n]())  # noqa: B023
        assert (patched.status_code in {200, 404}, deleted.status_code) == (True, 204)
        assert Task.objects.get(id=task["id"]).deleted_at is not None


def test_a_patch_that_changes_nothing_stores_no_text_of_a_task_purged_meanwhile(
    alice: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A whole deletion and purge happens between its look and its commit: the purge cannot find the answer yet."""
    task, draft, meanwhile = alice.make(title="secret"), service.draft, list[int]()

    def purge_first(*arguments: Any) -> Any:
        if threading.current_thread() is threading.main_thread() and not meanwhile:
            meanwhile.append(at_once(1, lambda _: alice.delete(where(task)))[0].status_code)
            meanwhile.append(at_once(1, lambda _: alice.delete(f"/v1/trash/{task['id']}"))[0].status_code)
        return draft(*arguments)

    monkeypatch.setattr(service, "draft", purge_first)
    answer = alice.patch(where(task), {"title": "secret"}, idempotency_key="k")
    assert (answer.status_code, meanwhile) == (404, [204, 204])
    assert not any(b"secret" in bytes(key.body) for key in IdempotencyKey.objects.all())
