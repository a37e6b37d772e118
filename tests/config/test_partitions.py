"""Months of a partitioned table: made ahead, twice and by two at once, dropped on request, missed loudly."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, connections, transaction

from config.data import ids, partitions
from config.data.partitions import Month
from config.events.models import Event, RelayCursor
from tasks_app.models import Task

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "direct"])
NOW = Month.of(datetime.now(UTC))
FOUR = [NOW.plus(n) for n in range(4)]


@pytest.fixture
def tried(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A partitioned table of the test's own, without a month."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE tried (id uuid PRIMARY KEY, word text CHECK (word <> '')) PARTITION BY RANGE (id)")
        cursor.execute("CREATE INDEX tried_word ON tried (word)")
    monkeypatch.setattr(partitions, "PARENTS", ("tried",))
    yield "tried"
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE tried")
        for table, *_ in partitions._tables(connection, "tried"):
            cursor.execute(f"DROP TABLE {table}")


def insert(at: datetime, word: str = "a") -> None:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO tried VALUES (%s, %s)", [ids.uuid7(at), word])


def session() -> "psycopg.Connection[Any]":
    """A connection of somebody else's."""
    return psycopg.connect(**connections["default"].get_connection_params() | {"autocommit": False})


def test_migrate_makes_this_month_and_three_more_for_every_table() -> None:
    for parent in partitions.PARENTS:
        assert set(FOUR) <= set(partitions.existing(connection, parent))
    assert partitions.months_ahead(connection) >= 3


def test_ensure_makes_what_is_missing_and_the_second_time_nothing(tried: str) -> None:
    assert partitions.ensure(connection) == [month.table(tried) for month in FOUR]
    assert partitions.ensure(connection) == []
    assert partitions.existing(connection, tried) == FOUR
    assert partitions.months_ahead(connection) == 3


def test_ensure_fills_a_gap(tried: str) -> None:
    partitions.create(connection, tried, FOUR[0])
    partitions.create(connection, tried, FOUR[2])
    assert partitions.months_ahead(connection) == 1
    assert partitions.ensure(connection) == [FOUR[1].table(tried), FOUR[3].table(tried)]


def test_ensure_makes_old_months_for_an_import(tried: str) -> None:
    since = NOW.plus(-14).start + timedelta(days=3)
    made = partitions.ensure(connection, ahead=0, since=since)
    assert made == [NOW.plus(-n).table(tried) for n in range(14, -1, -1)]
    insert(since)


def test_two_at_once_make_each_month_once(tried: str) -> None:
    made: list[str] = []
    start = threading.Barrier(4)

    def ensure() -> None:
        start.wait()
        try:
            made.extend(partitions.ensure(connections["default"], ahead=6))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=ensure) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # A process that finds the month made meanwhile names it as well: all that matters is that each is there.
    assert set(made) == {NOW.plus(n).table(tried) for n in range(7)}
    assert partitions.existing(connection, tried) == [NOW.plus(n) for n in range(7)]


def test_a_month_takes_ids_from_its_first_to_its_last_millisecond(tried: str) -> None:
    partitions.create(connection, tried, NOW)
    insert(NOW.start)
    insert(NOW.plus(1).start - timedelta(milliseconds=1))
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {NOW.table(tried)}")
        assert cursor.fetchone() == (2,)


@pytest.mark.parametrize("at", [NOW.start - timedelta(milliseconds=1), NOW.plus(1).start])
def test_a_missing_month_fails_loudly(tried: str, at: datetime) -> None:
    partitions.create(connection, tried, NOW)
    with pytest.raises(IntegrityError, match="no partition of relation"):
        insert(at)


def test_a_month_has_the_indexes_and_checks_of_its_table(tried: str) -> None:
    partitions.create(connection, tried, NOW)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_indexes WHERE tablename = %s", [NOW.table(tried)])
        assert cursor.fetchone() == (2,)
        cursor.execute("SELECT count(*) FROM pg_inherits WHERE inhparent = 'tried_word'::regclass")
        assert cursor.fetchone() == (1,)
    with pytest.raises(IntegrityError, match="check constraint"):
        insert(NOW.start, word="")


def test_writers_and_readers_go_on_while_a_month_is_made(tried: str) -> None:
    partitions.create(connection, tried, NOW)
    with session() as other:
        other.execute("INSERT INTO tried VALUES (%s, 'a')", [ids.uuid7(NOW.start)])
        other.execute("SELECT * FROM tried")
        partitions.create(connection, tried, NOW.plus(1))  # would wait for the other's locks, and give up
        other.execute("INSERT INTO tried VALUES (%s, 'b')", [ids.uuid7(NOW.start)])
        other.rollback()


def test_a_failed_month_leaves_nothing_behind(tried: str) -> None:
    month = NOW.table(tried)
    with session() as other:
        other.execute("LOCK TABLE tried IN SHARE MODE")
        with pytest.raises(Exception, match="lock timeout"):
            partitions.create(connection, tried, NOW)
        other.rollback()
    assert partitions._tables(connection, tried) == []
    partitions.create(connection, tried, NOW)
    assert [table for table, *_ in partitions._tables(connection, tried)] == [month]


def test_old_months_are_dropped_and_later_ones_stay(tried: str) -> None:
    partitions.ensure(connection, since=NOW.plus(-4).start)
    insert(NOW.plus(-4).start)
    insert(NOW.start)
    dropped = list(partitions.drop_before(connection, NOW.plus(-2)))
    assert dropped == [NOW.plus(-4).table(tried), NOW.plus(-3).table(tried)]
    assert partitions.existing(connection, tried) == [NOW.plus(n) for n in range(-2, 4)]
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM tried")
        assert cursor.fetchone() == (1,)


@pytest.mark.parametrize("limit", [partitions.first_in_use().plus(1), NOW.plus(1)])
def test_a_month_in_use_is_not_dropped(tried: str, limit: Month) -> None:
    partitions.ensure(connection)
    with pytest.raises(ValueError, match="in use"):
        list(partitions.drop_before(connection, limit))
    assert partitions.existing(connection, tried) == FOUR


def test_a_drop_that_was_interrupted_goes_on_the_next_time(tried: str) -> None:
    partitions.ensure(connection, ahead=0, since=NOW.plus(-4).start)
    first, second = NOW.plus(-4).table(tried), NOW.plus(-3).table(tried)
    with session() as reader, connection.cursor() as cursor:
        reader.execute("SELECT * FROM tried")  # the detachment waits for it in its second half
        cursor.execute("SET statement_timeout = '300ms'")
        with pytest.raises(Exception, match="statement timeout"):
            cursor.execute(f"ALTER TABLE tried DETACH PARTITION {first} CONCURRENTLY")
        cursor.execute("RESET statement_timeout")
        reader.rollback()
        cursor.execute(f"ALTER TABLE tried DETACH PARTITION {first} FINALIZE")
        cursor.execute("SELECT 1")
    with session() as reader, connection.cursor() as cursor:
        reader.execute("SELECT * FROM tried")
        cursor.execute("SET statement_timeout = '300ms'")
        with pytest.raises(Exception, match="statement timeout"):
            cursor.execute(f"ALTER TABLE tried DETACH PARTITION {second} CONCURRENTLY")
        cursor.execute("RESET statement_timeout")
    # The first is detached and was not dropped, the second is half detached.
    assert partitions._tables(connection, tried)[:2] == [(first, False, False), (second, True, True)]
    assert list(partitions.drop_before(connection, NOW.plus(-2))) == [first, second]
    assert partitions.existing(connection, tried) == [NOW.plus(n) for n in range(-2, 1)]


def test_the_command_makes_and_drops_and_says_so(tried: str) -> None:
    partitions.create(connection, tried, NOW.plus(-3))
    out = StringIO()
    call_command("partitions", ahead=1, drop_before=f"{NOW.plus(-2).start:%Y-%m}", stdout=out)
    assert out.getvalue().splitlines() == [
        f"made {NOW.table(tried)}",
        f"made {NOW.plus(1).table(tried)}",
        f"dropped {NOW.plus(-3).table(tried)}",
        "1 months ahead",
    ]


@pytest.mark.parametrize("month", ["2026-13", "2026", "x", f"{NOW.plus(1).start:%Y-%m}"])
def test_the_command_refuses_a_wrong_month_before_it_does_anything(tried: str, month: str) -> None:
    with pytest.raises(CommandError, match="--drop-before"):
        call_command("partitions", drop_before=month)
    assert partitions.existing(connection, tried) == []


def test_the_log_tells_up_to_where_it_was_dropped() -> None:
    """A reader who has not had all of that is told so (410), and a later drop of less changes nothing."""
    months = [NOW.plus(-4), NOW.plus(-3)]
    for month in months:
        partitions.create(connection, "event", month)
    last = _old_event(months[1], xid=200)
    for month, xid in ((months[0], 300), (months[1], 100)):
        _old_event(month, xid)
    dropped: list[tuple[int, UUID]] = []
    for month in months:
        assert month.table("event") in list(partitions.drop_before(connection, month.plus(1)))
        dropped += RelayCursor.objects.filter(name="dropped").values_list("xid", "event_id")
    assert [xid for xid, _ in dropped] == [300, 300]
    assert last not in [identifier for _, identifier in dropped], "xids are higher in the older month: a clock was set"


def _old_event(month: Month, xid: int) -> UUID:
    identifier = ids.uuid7(month.start)
    Event.objects.create(id=identifier, xid=xid, type="task.created", subject=identifier, at=month.start)
    return identifier


def test_a_task_of_a_month_that_is_missing_is_an_error_and_not_lost_silently() -> None:
    at = NOW.plus(40).start
    with pytest.raises(IntegrityError, match="no partition"), transaction.atomic():
        Task.objects.create(id=ids.uuid7(at), title="x", owner_id="alice", created_at=at, updated_at=at)
