"""`manage.py seed --tasks N --users N`: a system of any size, for tests of load. The same numbers give the same rows.

Rows only: no events are written, so nothing is published, mailed or counted for them.
"""

import time
from argparse import ArgumentParser
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from accounts.models import User
from config.data import partitions
from config.data.partitions import Month
from tasks_app import seeding

_MONTHS = 36
_LINES = 5_000  # in one piece of a COPY


class Command(BaseCommand):
    help = "Fills the database with tasks of three years, for tests of size."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--tasks", type=int, default=100_000)
        parser.add_argument("--users", type=int, default=1_000)
        parser.add_argument("--end", default=f"{datetime.now(UTC):%Y-%m-%d}", help="the newest day (today)")
        parser.add_argument("--yes", action="store_true", help="also where DEVELOPMENT is not set")

    def handle(self, *, tasks: int, users: int, end: str, yes: bool, **_: Any) -> None:
        if not (settings.DEVELOPMENT or yes):
            raise CommandError("This is no development system: say --yes to fill its database with invented tasks.")
        if tasks < 0 or users < 1:
            raise CommandError("--tasks must be 0 or more, --users 1 or more.")
        newest = datetime.strptime(end, "%Y-%m-%d").replace(tzinfo=UTC)
        self._began = self._told = time.monotonic()
        self._done, self._all = 0, tasks
        self._connection = connections["direct"]  # a COPY is longer than the pooler lets a query be
        owners = seeding.people(users)
        _make(owners)
        self._fill(seeding.Tasks(owners, newest, tasks), newest)
        self._tell(last=True)

    def _fill(self, source: seeding.Tasks, newest: datetime) -> None:
        spans = list(_spans(newest))
        for number, (start, stop) in enumerate(spans):
            count = self._all * (number + 1) // len(spans) - self._all * number // len(spans)
            self._month(start, stop, source.lines(start, stop, count))
            self._done += count
        with self._connection.cursor() as cursor:
            cursor.execute("ANALYZE task")

    def _month(self, start: datetime, stop: datetime, lines: Iterator[str]) -> None:
        """Into a month of its own before its indexes are made, or into the one that is there, unless it was before."""
        with self._connection.cursor() as cursor:
            cursor.execute("SET maintenance_work_mem = '256MB'")
        if not partitions.create(self._connection, "task", Month.of(start), lambda table: self._copy(table, lines)):
            first = next(lines, "")
            with self._connection.cursor() as cursor:
                cursor.execute("SELECT EXISTS (SELECT FROM task WHERE id = %s)", [first.partition("\t")[0] or None])
                if not first or cursor.fetchone()[0]:
                    return
            self._copy("task", iter([first, *lines]))

    def _copy(self, table: str, lines: Iterator[str]) -> None:
        before = self._done
        with (
            self._connection.cursor() as cursor,
            cursor.copy(f"COPY {table} ({', '.join(seeding.COLUMNS)}) FROM STDIN") as copy,
        ):
            while piece := list(islice(lines, _LINES)):
                copy.write("\n".join(piece) + "\n")
                self._done += len(piece)
                self._tell()
        self._done = before

    def _tell(self, *, last: bool = False) -> None:
        now = time.monotonic()
        if last or now - self._told >= 1:
            self._told = now
            rate = self._done / max(0.001, now - self._began)
            self.stdout.write(
                f"\r  {self._done:,} of {self._all:,} tasks, {rate:,.0f} a second  ", ending="\n" if last else ""
            )
            self.stdout.flush()


def _make(owners: list[seeding.Person]) -> None:
    users = (User(id=one.id, username=one.name, email=f"{one.name}@example.com") for one in owners)
    while piece := list(islice(users, _LINES)):
        User.objects.using("direct").bulk_create(piece, ignore_conflicts=True)


def _spans(newest: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The months up to the newest day, the last one as far as it has come."""
    last = Month.of(newest)
    for back in range(_MONTHS - 1, -1, -1):
        month = last.plus(-back)
        stop = min(month.plus(1).start, newest)
        if stop > month.start:
            yield month.start, stop
