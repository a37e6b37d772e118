"""manage.py seed: many tasks in months of their own, the same for the same numbers, and never by accident"""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connections
from django.db.models import Sum

from accounts.models import User
from config.data import ids, partitions
from tasks_app import seeding
from tasks_app.models import Task, TaskCount

END = "2031-03-15"  # a span of months that no other test has
MONTHS = 36


writes = pytest.mark.django_db(transaction=True, databases=["default", "direct"])


@pytest.fixture
def seeded(settings: Any) -> Iterator[None]:
    """The command commits, by a connection of its own."""
    settings.DEVELOPMENT = True
    before = set(partitions.existing(connections["default"], "task"))
    yield
    with connections["direct"].cursor() as cursor:
        for month in set(partitions.existing(connections["default"], "task")) - before:
            cursor.execute(f"DROP TABLE {month.table('task')}")


def seed(**options: Any) -> str:
    out = StringIO()
    call_command("seed", stdout=out, **{"tasks": 3_000, "users": 50, "end": END, **options})
    return out.getvalue()


@writes
def test_seed_makes_the_tasks_and_their_months_once(seeded: None) -> None:
    assert "3,000 of 3,000 tasks" in seed()
    rows = set(Task.objects.values_list("id", "title", "owner_id", "updated_at"))
    assert len(rows) == 3_000
    seed()
    assert set(Task.objects.values_list("id", "title", "owner_id", "updated_at")) == rows
    assert User.objects.count() == 50
    assert {owner for _, _, owner, _ in rows} <= set(User.objects.values_list("id", flat=True))


@writes
def test_a_seed_that_broke_off_goes_on_where_it_was(seeded: None) -> None:
    seed()
    rows = set(Task.objects.values_list("id", flat=True))
    with connections["direct"].cursor() as cursor:
        for month in ("task_2029_05", "task_2031_03"):
            cursor.execute(f"DROP TABLE {month}")
    seed()
    assert set(Task.objects.values_list("id", flat=True)) == rows


@writes
def test_seeded_tasks_are_as_written_by_the_api(seeded: None) -> None:
    seed()
    newest = datetime(2031, 3, 15, tzinfo=UTC)
    for task in Task.objects.all():
        task.clean_fields(exclude=["owner", "assignee"])
        assert ids.instant(task.id) == task.created_at <= task.updated_at <= newest
        assert task.created_at > newest - timedelta(days=MONTHS * 31)
        assert (task.completed_at is not None) == (task.status == "completed")
        assert len(set(task.labels)) == len(task.labels)
    owned = sorted(Counter(Task.objects.values_list("owner_id", flat=True)).values())
    assert owned[-1] > 3 * owned[0]


@writes
def test_seeded_tasks_are_counted(seeded: None) -> None:
    seed()
    counted = TaskCount.objects.aggregate(Sum("number"))["number__sum"]
    assert counted == Task.objects.filter(deleted_at=None).count()


@writes
def test_the_new_months_have_the_indexes_of_the_others(seeded: None) -> None:
    seed()
    with connections["direct"].cursor() as cursor:
        tables = ["task", "task_2029_05", "task_2031_03"]
        cursor.execute("SELECT count(*) FROM pg_indexes WHERE tablename = ANY(%s) GROUP BY tablename", [tables])
        assert len({count for (count,) in cursor.fetchall()}) == 1


def test_seed_refuses_a_database_that_may_be_a_real_one(settings: Any) -> None:
    settings.DEVELOPMENT = False
    with pytest.raises(CommandError, match="--yes"):
        call_command("seed", tasks=1, users=1)


def test_the_same_numbers_give_the_same_lines() -> None:
    def lines() -> list[str]:
        start, stop = datetime(2030, 1, 1, tzinfo=UTC), datetime(2030, 2, 1, tzinfo=UTC)
        return list(seeding.Tasks(seeding.people(20), stop, 50).lines(start, stop, 50))

    assert lines() == lines()
