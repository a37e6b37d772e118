"""Whether the log comes from a server whose transaction ids were further than this one's.

The relay's cursor, the change feed's cursors, consistency tokens and what the cache knows are places in the order of
transaction ids. After a logical restore (pg_dump) into a new cluster these start again near zero: new events would
stand *before* all cursors, where nobody looks. docs/operators/backups.md says how to restore.
"""

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error
from django.db import connections

from config.events.outbox import RELAY

PROBLEM = "the event log is ahead of this server's transaction ids: its new events would not be seen"
HINT = "It was restored into a new cluster. Stop everything and follow docs/operators/backups.md before you go on."

_AHEAD = "SELECT xid >= pg_snapshot_xmax(pg_current_snapshot()) FROM events_cursor WHERE name = %s"


class LogIsAhead(Exception):
    def __init__(self) -> None:
        super().__init__(f"{PROBLEM}. {HINT}")


def is_ahead(alias: str) -> bool:
    """By the relay's cursor, which follows the log within moments. False before the first event."""
    with connections[alias].cursor() as cursor:
        cursor.execute(_AHEAD, [RELAY])
        row = cursor.fetchone()
    return row is not None and bool(row[0])


def check(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """`manage.py migrate` and `check --database` stop here."""
    return [
        Error(PROBLEM, hint=HINT, id="events.E001")
        for alias in databases or ()
        if _has_cursor(alias) and is_ahead(alias)
    ]


def _has_cursor(alias: str) -> bool:
    """Not before the first `migrate`."""
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT to_regclass('events_cursor') IS NOT NULL")
        return bool(cursor.fetchone()[0])
