"""GET /v1/tasks/counts: exact whatever changed the tasks, and cheap however many there are"""

import json
import random
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from importlib import import_module
from io import StringIO
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from config.data import ids, partitions
from config.data.partitions import Month
from tasks_app.models import Task, TaskCount
from tasks_app.services import counts, recount
from tests.cast import Caller, refused_parameter
from tests.config.servers import eventually
from tests.locks import somebody_waits
from tests.tasks_app.test_tasks_get import where
from tests.threads import at_once

COUNTS = "/v1/tasks/counts"
NONE = {"pending": 0, "in-progress": 0, "completed": 0, "overdue": 0}
NOW = Month.of(datetime.now(UTC))


def told(caller: Caller) -> dict[str, int]:
    answer: dict[str, int] = caller.get(COUNTS).json()
    return answer


def counted(owner: str) -> dict[str, int]:
    """By looking at all tasks."""
    mine = Task.objects.filter(owner_id=owner).alive()
    overdue = mine.exclude(status="completed").filter(due_at__lt=datetime.now(UTC)).count()
    return {status: mine.filter(status=status).count() for status in list(NONE)[:3]} | {"overdue": overdue}


def days(number: float) -> str:
    return (datetime.now(UTC) + timedelta(days=number)).isoformat()


@pytest.mark.django_db
def test_counts_follow_every_change_of_a_task(alice: Caller) -> None:
    assert told(alice) == NONE
    task = alice.make(due_at=days(-3))
    alice.make(status="in-progress", due_at=days(3))
    alice.make(status="completed", due_at=days(-3))
    alice.make()
    assert told(alice) == {"pending": 2, "in-progress": 1, "completed": 1, "overdue": 1}
    alice.patch(where(task), {"status": "completed"})
    assert told(alice) == {"pending": 1, "in-progress": 1, "completed": 2, "overdue": 0}
    alice.patch(where(task), {"status": "pending", "due_at": days(-0.00001)})
    assert told(alice) == {"pending": 2, "in-progress": 1, "completed": 1, "overdue": 1}
    alice.delete(where(task))
    assert told(alice) == {"pending": 1, "in-progress": 1, "completed": 1, "overdue": 0}
    alice.post(f"{where(task)}/restore")
    assert told(alice)["overdue"] == 1
    alice.delete(where(task))
    alice.delete(f"/v1/trash/{task['id']}")
    assert told(alice) == counted(alice.id) == {"pending": 1, "in-progress": 1, "completed": 1, "overdue": 0}


@pytest.mark.django_db
def test_counts_are_of_own_tasks(alice: Caller, bob: Caller, ada: Caller) -> None:
    alice.make(assignee=bob.id)
    assert (told(bob), told(ada)) == (NONE, NONE)


@pytest.mark.django_db
@pytest.mark.parametrize("hours", [-30, -24, -1, -0.001, 0.01, 1, 30])
def test_what_is_due_today_is_overdue_from_its_moment_on(alice: Caller, hours: float) -> None:
    alice.make(due_at=days(hours / 24))
    assert told(alice)["overdue"] == (1 if hours < 0 else 0)


@pytest.mark.django_db
def test_what_is_due_today_counts_for_its_owner_and_while_it_is_open(alice: Caller, bob: Caller) -> None:
    bob.make(due_at=days(-0.00001))
    alice.make(due_at=days(-0.00001), status="completed")
    assert told(alice) == {**NONE, "completed": 1}


@pytest.mark.django_db
def test_days_are_those_of_utc_whatever_zone_a_session_has(alice: Caller) -> None:
    """An operator's session, say, where yesterday evening is today already."""
    yesterday = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(hours=1)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL TIME ZONE 'Pacific/Kiritimati'")
        now = datetime.now(UTC)
        Task.objects.create(
            title="x", owner_id=alice.id, due_at=yesterday, created_at=now, updated_at=now, labels=[]
        )  # fmt: skip
        cursor.execute("SET LOCAL TIME ZONE 'UTC'")
    assert told(alice) == {**NONE, "pending": 1, "overdue": 1}


@pytest.mark.django_db
def test_counts_take_no_parameter(alice: Caller) -> None:
    assert refused_parameter(alice.get(COUNTS, status="pending")) == "status"


@pytest.mark.django_db
def test_a_change_of_the_text_adds_no_row(alice: Caller) -> None:
    task = alice.make()
    before = TaskCount.objects.count()
    alice.patch(where(task), {"title": "x", "priority": "high", "labels": ["a"]})
    assert TaskCount.objects.count() == before


@pytest.mark.django_db
def test_a_statement_of_many_tasks_adds_few_rows_and_folding_keeps_the_sums(alice: Caller, bob: Caller) -> None:
    chance, at = random.Random(7), datetime.now(UTC)

    def task(n: int) -> Task:
        due = None if n % 3 else at + timedelta(days=chance.randint(-5, 5), seconds=30)
        owner = (alice, bob)[n % 2].id
        return Task(title=f"{n}", owner_id=owner, due_at=due, created_at=at, updated_at=at, labels=[])

    Task.objects.bulk_create([task(n) for n in range(200)])
    assert TaskCount.objects.count() < 30
    for _ in range(30):
        chosen = Task.objects.filter(id__in=chance.sample(list(Task.objects.values_list("id", flat=True)), 20))
        chosen.update(status=chance.choice(["pending", "in-progress"]))
        if chance.random() < 0.3:
            assert counts.fold(enough=1) in {1, 2}  # owners: of one of them all may have come back to what it was
        assert (told(alice), told(bob)) == (counted(alice.id), counted(bob.id))
    rows = TaskCount.objects.count()
    counts.fold(enough=1)
    assert TaskCount.objects.count() < rows
    assert not TaskCount.objects.filter(folded=False).exists()
    assert not TaskCount.objects.filter(number=0).exists()
    assert counts.fold(enough=1) == 0


@pytest.mark.django_db
def test_folding_leaves_one_row_for_each_status_and_day(alice: Caller) -> None:
    for _ in range(3):
        alice.make()
        alice.make(due_at="2027-01-31T12:00:00Z")
        counts.fold(enough=1)
    assert sorted(TaskCount.objects.values_list("number", flat=True)) == [3, 3]


@pytest.mark.django_db(transaction=True)
def test_writers_of_one_owner_do_not_wait_for_each_other_nor_for_a_fold(alice: Caller) -> None:
    with psycopg.connect(**connection.get_connection_params()) as other:
        at = datetime.now(UTC)
        values = [ids.uuid7(), alice.id, at, at]
        other.execute(
            "INSERT INTO task (id, owner, created_at, updated_at, title, description, status, priority, labels,"
            " version) VALUES (%s, %s, %s, %s, 'open', '', 'pending', 'normal', '{}', 1)",
            values,
        )
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '1s'")
        alice.make()
        counts.fold(enough=1)
        assert told(alice)["pending"] == 1
        other.commit()
    assert told(alice)["pending"] == 2
    with connection.cursor() as cursor:
        cursor.execute("RESET lock_timeout")


@pytest.mark.django_db(transaction=True)
def test_counts_are_exact_after_writers_and_folds_at_once(alice: Caller) -> None:
    made = [alice.make(due_at=days(-2)) for _ in range(8)]

    def work(number: int) -> None:
        for status in ("in-progress", "completed", "pending", "completed")[: number % 4 + 1]:
            alice.patch(where(made[number]), {"status": status})
            alice.make()
            counts.fold(enough=1)

    at_once(8, work)
    assert told(alice) == counted(alice.id)
    counts.fold(enough=1)
    assert told(alice) == counted(alice.id)


@pytest.mark.django_db(transaction=True)
def test_tasks_that_were_there_before_are_counted_in_batches_and_once(
    alice: Caller, bob: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    migration = import_module("tasks_app.migrations.0003_count_tasks")
    monkeypatch.setattr(migration, "BATCH", 2)
    for caller in (alice, bob):
        for number in range(4):
            caller.make(status=["pending", "completed"][number % 2], due_at=days(-1))
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM task_count")
        cursor.execute("INSERT INTO task_count (owner, status, number) VALUES (%s, 'pending', 1)", [alice.id])
    with connection.schema_editor(atomic=False) as editor:
        for _ in range(2):  # it may be interrupted, and run again
            migration.count(None, editor)
            assert (told(alice), told(bob)) == (counted(alice.id), counted(bob.id))


@pytest.mark.django_db(transaction=True)
def test_a_month_that_is_dropped_takes_its_tasks_out_of_the_counts(alice: Caller) -> None:
    old = NOW.plus(-4)
    partitions.create(connection, "task", old)
    alice.make()
    for n, deleted in enumerate((None, None, old.start)):
        at, status = old.start + timedelta(days=n), ["pending", "in-progress"][n % 2]
        Task.objects.create(
            id=ids.uuid7(at), title="old", owner_id=alice.id, status=status, due_at=at, labels=[],
            created_at=at, updated_at=at, deleted_at=deleted,
        )  # fmt: skip
    assert told(alice) == {"pending": 2, "in-progress": 1, "completed": 0, "overdue": 2}
    assert old.table("task") in list(partitions.drop_before(connection, old.plus(1)))
    assert told(alice) == {"pending": 1, "in-progress": 0, "completed": 0, "overdue": 0}


@pytest.mark.django_db
def test_many_tasks_cost_what_few_do(alice: Caller) -> None:
    """Two thousand tasks over a hundred days, and no more than these rows and today's tasks are read."""
    at = datetime.now(UTC)
    for day in range(-50, 50):
        due = at + timedelta(days=day, minutes=-1 if day < 0 else 1)
        Task.objects.bulk_create(
            Task(title="x", owner_id=alice.id, due_at=due, created_at=at, updated_at=at, labels=[]) for _ in range(20)
        )
    counts.fold()
    assert told(alice) == {**NONE, "pending": 2_000, "overdue": 1_000}
    plan = _plan(alice.id)
    assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < 250


def _plan(owner: str) -> dict[str, Any]:
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE task")
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {counts._COUNTS}", {"owner": owner})
        found = cursor.fetchone()[0]
    plan: dict[str, Any] = (json.loads(found) if isinstance(found, str) else found)[0]["Plan"]
    return plan


@pytest.mark.django_db(transaction=True)
def test_wrong_counts_are_corrected_once_in_batches(
    alice: Caller, bob: Caller, ada: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recount, "BATCH", 2)
    for caller in (alice, bob):
        for number in range(4):
            caller.make(status=["pending", "completed"][number % 2], due_at=days(-1))
    TaskCount.objects.filter(owner=alice.id).delete()
    TaskCount.objects.create(owner=bob.id, status="completed", number=7, folded=True)
    TaskCount.objects.create(owner=ada.id, status="pending", number=1)  # who has no tasks at all
    assert recount.rebuild() == 3
    for caller in (alice, bob, ada):
        assert told(caller) == counted(caller.id)
    out = StringIO()
    call_command("rebuild_counts", stdout=out)
    assert "of 0 owners" in out.getvalue()


@pytest.mark.django_db(transaction=True)
def test_rebuilds_writers_and_folds_get_along(alice: Caller) -> None:
    made = [alice.make(due_at=days(-2)) for _ in range(6)]
    TaskCount.objects.create(owner=alice.id, status="pending", number=100)

    def work(number: int) -> None:
        for status in ("in-progress", "completed", "pending"):
            alice.patch(where(made[number]), {"status": status})
            recount.rebuild()
            counts.fold(enough=1)

    at_once(6, work)
    assert told(alice) == counted(alice.id)
    assert recount.rebuild() == 0


@pytest.mark.django_db(transaction=True)
def test_of_rebuilds_at_once_one_corrects(alice: Caller) -> None:
    at = datetime.now(UTC)
    Task.objects.bulk_create(
        Task(title="x", owner_id=alice.id, labels=[], created_at=at, updated_at=at) for _ in range(3_000)
    )
    TaskCount.objects.all().delete()
    assert sorted(at_once(6, lambda _: recount.rebuild())) == [0, 0, 0, 0, 0, 1]
    assert told(alice) == counted(alice.id)


@pytest.mark.django_db(transaction=True)
def test_a_rebuild_waits_for_another_one(alice: Caller) -> None:
    alice.make()
    TaskCount.objects.all().delete()
    with psycopg.connect(**connection.get_connection_params()) as other, ThreadPoolExecutor(1) as threads:
        other.execute("LOCK TABLE task IN SHARE UPDATE EXCLUSIVE MODE")
        second = threads.submit(lambda: at_once(1, lambda _: recount.rebuild()))
        eventually(lambda: second.done() or somebody_waits("relation"), "the waiting")
        other.execute("INSERT INTO task_count (owner, status, number) VALUES (%s, 'pending', 1)", [alice.id])
        other.commit()
        assert second.result(30) == [0]
    assert told(alice) == counted(alice.id)


@pytest.mark.django_db(transaction=True)
def test_counts_are_not_rebuilt_while_a_month_goes(alice: Caller) -> None:
    """Its tasks are out of sight and would be taken out of the counts twice."""
    old = NOW.plus(-4)
    partitions.create(connection, "task", old)
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE task DETACH PARTITION {old.table('task')}")
    try:
        with pytest.raises(CommandError, match="being dropped"):
            call_command("rebuild_counts")
    finally:
        list(partitions.drop_before(connection, old.plus(1)))
    assert recount.rebuild() == 0
