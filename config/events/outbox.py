"""The log as the relay reads it: what lies behind its cursor, and nothing that could still be overtaken.

A row is read only when every transaction with a smaller id has ended (`pg_snapshot_xmin`): a row that commits
later can then never appear before one that was read. A transaction that writes and stays open, in whichever database
of the server, holds the relay up; `taskmill_relay_lag_seconds` shows that.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from django.db import connections

from config.data import ids

RELAY = "relay"
# A transaction inserts an id that its server's clock made, and commits later. With a month's margin neither a long
# transaction nor a clock that is days behind can hide an event; it costs the read one more partition.
MARGIN = timedelta(days=31)

_READ = """
    SELECT id, xid, type, subject, owner, actor, version, changes, data, request_id, traceparent, at
    FROM event
    WHERE (xid, id) > (%(xid)s::xid8, %(id)s::uuid) AND id >= %(floor)s
      AND xid < pg_snapshot_xmin(pg_current_snapshot())
    ORDER BY xid, id
    LIMIT %(limit)s
"""
_STATUS = """
    WITH waiting AS (
        SELECT at FROM event WHERE (xid, id) > (%(xid)s::xid8, %(id)s::uuid) AND id >= %(floor)s
        ORDER BY xid, id
        LIMIT %(limit)s
    )
    SELECT count(*), extract(epoch FROM now() - min(at)) FROM waiting
"""
# Counting stops here: after an outage the number matters less than that it is large.
PENDING_AT_MOST = 100_000


class Position(NamedTuple):
    """The place of an event in the log: everything up to it, itself included, has been published."""

    xid: int
    id: UUID

    def parameters(self) -> dict[str, Any]:
        # The clock of the server that made the cursor's id may have been ahead, hence the earlier of the two.
        at = min(ids.instant(self.id), datetime.now(UTC))
        floor = ids.floor(at - MARGIN) if at.timestamp() > MARGIN.total_seconds() else UUID(int=0)
        return {"xid": str(self.xid), "id": self.id, "floor": floor}


class CursorMoved(Exception):
    """Another relay has moved the cursor: this one has lost the lead without noticing."""


class Outbox:
    """Through the connection that holds the relay's lock, so that nothing here works without the lock."""

    def __init__(self, alias: str = "direct") -> None:
        self._connection = connections[alias]

    def position(self) -> Position:
        with self._connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO events_cursor (name, xid, id) VALUES (%s, '0', %s) ON CONFLICT DO NOTHING",
                [RELAY, UUID(int=0)],
            )
            cursor.execute("SELECT xid, id FROM events_cursor WHERE name = %s", [RELAY])
            xid, identifier = cursor.fetchone()
        return Position(int(xid), identifier)

    def read(self, after: Position, limit: int) -> list[dict[str, Any]]:
        with self._connection.cursor() as cursor:
            cursor.execute(_READ, {**after.parameters(), "limit": limit})
            names = [column.name for column in cursor.description]
            return [_typed(dict(zip(names, row, strict=True))) for row in cursor.fetchall()]

    def move(self, before: Position, after: Position) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute(
                "UPDATE events_cursor SET xid = %s, id = %s WHERE name = %s AND xid = %s AND id = %s",
                [str(after.xid), after.id, RELAY, str(before.xid), before.id],
            )
            if not cursor.rowcount:
                raise CursorMoved

    def status(self, after: Position) -> tuple[int, float]:
        """How many events wait (up to PENDING_AT_MOST), and the age of the oldest in seconds."""
        with self._connection.cursor() as cursor:
            cursor.execute(_STATUS, {**after.parameters(), "limit": PENDING_AT_MOST})
            pending, lag = cursor.fetchone()
        return int(pending), max(0.0, float(lag or 0))


def position_of(row: Mapping[str, Any]) -> Position:
    return Position(row["xid"], row["id"])


def _typed(row: dict[str, Any]) -> dict[str, Any]:
    """Django reads jsonb as text through a bare cursor, and psycopg does not know xid8."""
    return {**row, **dict(_typed_values(row))}


def _typed_values(row: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    yield "xid", int(row["xid"])
    for name in ("changes", "data"):
        yield name, None if row[name] is None else orjson.loads(row[name])
