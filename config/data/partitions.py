"""Monthly RANGE partitions on a UUIDv7 primary key.

There is no default partition: it would have to be scanned under an exclusive lock at every attach, and it
forbids `DETACH … CONCURRENTLY`. So months are made ahead, by a job; a write that finds its month missing makes it.
A partition is made beside its parent and then attached, which takes SHARE UPDATE EXCLUSIVE on the parent:
readers and writers go on (`CREATE TABLE … PARTITION OF` would lock them out).
"""

import logging
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.apps import apps
from django.db import DEFAULT_DB_ALIAS, IntegrityError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.signals import post_migrate

from config.data import ids

logger = logging.getLogger(__name__)

PARENTS = ("task", "event")
_MISSING = re.compile(f'no partition of relation "({"|".join(PARENTS)})"')
AHEAD = 3
KEPT = timedelta(days=30)  # a cursor of the change feed outlives them, so that what came after it must be there
# What must be noted of a month before it goes: readers of the log are told when it no longer holds what they miss.
_BEFORE_DROP = {
    "event": """
        INSERT INTO events_cursor (name, xid, id)
        SELECT 'dropped', xid, id FROM {table} ORDER BY xid DESC, id DESC LIMIT 1
        ON CONFLICT (name) DO UPDATE SET xid = excluded.xid, id = excluded.id
        WHERE (events_cursor.xid, events_cursor.id) < (excluded.xid, excluded.id)
    """
}

# What is told elsewhere of a month's rows, in the transaction in which they come past the triggers, or go.
_TOLD = {
    "task": """
        INSERT INTO task_count (owner, status, due_on, number)
        SELECT owner, status, CASE WHEN status <> 'completed' THEN (due_at AT TIME ZONE 'UTC')::date END, {sign}count(*)
        FROM {table} WHERE deleted_at IS NULL GROUP BY 1, 2, 3
    """
}


class Month(NamedTuple):
    year: int
    month: int

    @classmethod
    def of(cls, at: datetime) -> "Month":
        return cls(at.year, at.month)

    @classmethod
    def parse(cls, text: str) -> "Month":
        """From `YYYY-MM`; ValueError when it is none."""
        at = datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC)
        return cls.of(at)

    @classmethod
    def of_table(cls, parent: str, table: str) -> "Month":
        return cls.parse(table.removeprefix(f"{parent}_").replace("_", "-"))

    def plus(self, months: int) -> "Month":
        index = self.year * 12 + self.month - 1 + months
        return Month(index // 12, index % 12 + 1)

    @property
    def start(self) -> datetime:
        return datetime(self.year, self.month, 1, tzinfo=UTC)

    def table(self, parent: str) -> str:
        return f"{parent}_{self.year:04d}_{self.month:02d}"


def existing(connection: BaseDatabaseWrapper, parent: str) -> list[Month]:
    """The months that have an attached partition, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
            " WHERE i.inhparent = to_regclass(%s)",
            [parent],
        )
        names = [row[0] for row in cursor.fetchall()]
    return sorted(Month.of_table(parent, name) for name in names)


def create(
    connection: BaseDatabaseWrapper, parent: str, month: Month, fill: Callable[[str], None] | None = None
) -> bool:
    """Makes one month, whole or not at all; False when it was there, which another process may have made meanwhile.

    `fill` puts rows into the new table before it is attached: indexes are then made once, over all of them.
    """
    if fill:
        return _create_filled(connection, parent, month, fill)
    with connection.cursor() as cursor:
        cursor.execute("SELECT make_month(%s, %s)", [parent, month.start.date()])
        return bool(cursor.fetchone()[0])


def _create_filled(connection: BaseDatabaseWrapper, parent: str, month: Month, fill: Callable[[str], None]) -> bool:
    """What the function `make_month` does (config/events/migrations), with rows. For the owner of the tables."""
    table, low, high = month.table(parent), ids.floor(month.start), ids.floor(month.plus(1).start)
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '2s'")
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('partitions'))")
        if month in existing(connection, parent):
            return False
        # The CHECK proves the bounds, so that ATTACH scans nothing.
        cursor.execute(
            f"CREATE TABLE {table} (LIKE {parent} INCLUDING ALL EXCLUDING INDEXES,"
            f" CONSTRAINT {table}_range CHECK (id >= '{low}' AND id < '{high}'))"
        )
        fill(table)
        cursor.execute(f"ALTER TABLE {parent} ATTACH PARTITION {table} FOR VALUES FROM ('{low}') TO ('{high}')")
        cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {table}_range")
        if parent in _TOLD:
            cursor.execute(_TOLD[parent].format(table=table, sign=""))
    return True


def made_missing(error: IntegrityError) -> bool:
    """Whether a write failed because nobody has made this month, which is there now: it may be tried again.

    After the end of its transaction. The months ahead stay the job's work, so that the alarm about them stays too.
    """
    if not _MISSING.search(str(error)):
        return False
    if made := ensure(connections[DEFAULT_DB_ALIAS], ahead=0):
        logger.error("months were missing and had to be made by a write: the job does not run", extra={"made": made})
    return True


def ensure(connection: BaseDatabaseWrapper, ahead: int = AHEAD, since: datetime | None = None) -> list[str]:
    """Makes this month and `ahead` further ones (and those since `since`) for every parent; names the new ones."""
    now = _now()
    made = []
    for parent in PARENTS:
        there = set(existing(connection, parent))
        for month in _months(min(now, Month.of(since)) if since else now, now.plus(ahead)):
            if month not in there:
                create(connection, parent, month)
                made.append(month.table(parent))
    return made


def _now() -> Month:
    """By the clock that makes the ids."""
    return Month.of(ids.instant(ids.uuid7()))


def drop_before(connection: BaseDatabaseWrapper, limit: Month) -> Iterator[str]:
    """Detaches and drops the months before `limit`, without a lock that blocks traffic; yields each name.

    Needs a connection in autocommit mode: `DETACH … CONCURRENTLY` refuses to run in a transaction. It can be
    interrupted anywhere; the next run goes on. Raises ValueError when that would take what is younger than KEPT.
    """
    if limit > first_in_use():
        raise ValueError("the last 30 days and what comes are in use")
    for parent in PARENTS:
        for table, attached, pending in _tables(connection, parent):
            if Month.of_table(parent, table) < limit:
                with connection.cursor() as cursor:
                    if parent in _BEFORE_DROP:
                        cursor.execute(_BEFORE_DROP[parent].format(table=table))
                    if attached:
                        how = "FINALIZE" if pending else "CONCURRENTLY"
                        cursor.execute(f"ALTER TABLE {parent} DETACH PARTITION {table} {how}")
                    with transaction.atomic(using=connection.alias):
                        if parent in _TOLD:
                            cursor.execute(_TOLD[parent].format(table=table, sign="-"))
                        cursor.execute(f"DROP TABLE {table}")
                yield table


def first_in_use() -> Month:
    """The month that holds the oldest of what is promised to be there."""
    return Month.of(datetime.now(UTC) - KEPT)


def _tables(connection: BaseDatabaseWrapper, parent: str) -> list[tuple[str, bool, bool]]:
    """The parent's months as (table, still attached, its detachment has begun), oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname, i.inhrelid IS NOT NULL, coalesce(i.inhdetachpending, false)"
            " FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid"
            " WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace AND c.relname ~ %s"
            " ORDER BY c.relname",
            [f"^{parent}_[0-9]{{4}}_[0-9]{{2}}$"],
        )
        return list(cursor.fetchall())


def is_going(connection: BaseDatabaseWrapper, parent: str) -> bool:
    """Whether a month is detached, or about to be, and not dropped yet."""
    return any(pending or not attached for _, attached, pending in _tables(connection, parent))


def months_ahead(connection: BaseDatabaseWrapper) -> int:
    """How many whole months after this one every parent has: fewer than two is an alarm."""
    now = _now()
    return min(sum(month > now for month in existing(connection, parent)) for parent in PARENTS)


def _months(first: Month, last: Month) -> Iterator[Month]:
    while first <= last:
        yield first
        first = first.plus(1)


def _after_migrate(sender: Any, using: str = DEFAULT_DB_ALIAS, **_: Any) -> None:
    """`migrate` makes the months too, so that a fresh database can be written to at once."""
    connection = connections[using]
    if all(_exists(connection, parent) for parent in PARENTS) and _can_make(connection):
        ensure(connection)


def _exists(connection: BaseDatabaseWrapper, table: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [table])
        return bool(cursor.fetchone()[0])


def _can_make(connection: BaseDatabaseWrapper) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regprocedure('make_month(text, date)') IS NOT NULL")
        return bool(cursor.fetchone()[0])


def connect() -> None:
    # Django sends the signal for apps with models only, and after all migrations have run.
    post_migrate.connect(_after_migrate, sender=apps.get_app_config("events"), dispatch_uid="partitions")
