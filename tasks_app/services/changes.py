"""The change feed: the events of the tasks that one principal owns, in an order in which nothing can be missed.

Events are read by (xid, id), and only where every transaction with a smaller id has ended: what commits later can
then never stand before what was read. The index `event_owner` has this order for each owner, and both bounds.
"""

from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from django.db import connections

from config.data import ids, reading
from config.data.times import rfc3339
from config.events.outbox import MARGIN
from tasks_app.representation import as_json

DROPPED = "dropped"  # the cursor behind the last event of the last month that was dropped

# Only `event_owner` reads no more than it gives, and statistics lag behind a log that grows. So the planner may not
# sort, or it would gather all events of an owner whom it takes for a small one; and it may not see the values (hence
# the sub-selects), or it would take the newest range for empty, or the owner for a large one, and use `event_log`.
# Both statements go to the server as one, in a transaction of their own (docs/decisions/0009-the-feeds-one-plan.md).
PLAN = "SET LOCAL enable_sort = off;"
# The type: an owner's export requests stand in the log too.
BEHIND = """
    event.owner = {owner} AND (event.xid, event.id) > ({xid}, {id})
    AND event.xid < (SELECT pg_snapshot_xmin(pg_current_snapshot()))
    AND event.id >= %(floor)s AND event.type LIKE 'task.%%'
    ORDER BY event.xid, event.id
"""
_READ = f"""{PLAN}
    WITH page AS MATERIALIZED (
        SELECT xid, id, type, subject, version, at, changes FROM event
        WHERE {BEHIND.format(owner="(SELECT %(owner)s::text)", xid="(SELECT %(xid)s::xid8)", id="%(id)s::uuid")}
        LIMIT %(limit)s
    )
    SELECT pg_snapshot_xmin(pg_current_snapshot())::text,
           EXISTS (SELECT FROM events_cursor WHERE name = %(dropped)s AND (xid, id) > (%(xid)s::xid8, %(id)s::uuid)),
           page.xid::text, page.id, page.type, page.subject, page.version, page.at, page.changes::text,
           (SELECT {as_json().sql} FROM task WHERE task.id = page.subject AND task.deleted_at IS NULL)
    FROM (SELECT) once LEFT JOIN page ON true
"""  # noqa: S608 (constants)


class Expired(Exception):
    """The log no longer holds all that came after this place."""


class Place(NamedTuple):
    """Behind this event everything is yet to be read. `at`, in milliseconds, is when that was so, or earlier."""

    xid: int
    id: UUID
    at: int

    @classmethod
    def of(cls, position: list[Any]) -> "Place":
        return cls(int(position[0]), UUID(position[1]), int(position[2]))

    def position(self) -> list[Any]:
        return [str(self.xid), str(self.id), self.at]

    @property
    def floor(self) -> UUID:
        """No later event has a smaller id, so that older months are not looked into (see `MARGIN`)."""
        return UUID(int=max(0, self.at - int(MARGIN.total_seconds() * 1000)) << 80)


class _Event(NamedTuple):
    """A row; `changes` and `task` are JSON."""

    xid: int
    id: UUID
    type: str
    subject: UUID
    version: int
    at: datetime
    changes: str | None
    task: str | None


class Page(NamedTuple):
    """`caught_up`: there was no more to read, and nothing that the reader knows of is missing."""

    entries: list[bytes]
    place: Place
    caught_up: bool


def beginning() -> Place:
    """Where the log that is kept begins."""
    with connections[reading.alias()].cursor() as cursor:
        cursor.execute("SELECT xid::text, id FROM events_cursor WHERE name = %s", [DROPPED])
        xid, identifier = cursor.fetchone() or (0, UUID(int=0))
    return Place(int(xid), identifier, 0)


def read(owner: str, place: Place, size: int) -> Page:
    """Up to `size` entries behind `place`, as JSON. Raises Expired."""
    now = int(datetime.now(UTC).timestamp() * 1000)
    given: dict[str, Any] = {"owner": owner, "xid": str(place.xid), "id": place.id, "floor": place.floor}
    with connections[reading.alias()].cursor() as cursor:
        cursor.execute(_READ, {**given, "limit": size + 1, "dropped": DROPPED})
        cursor.nextset()
        rows = cursor.fetchall()
    horizon, expired = int(rows[0][0]), rows[0][1]
    if expired:
        raise Expired
    events = sorted(_Event(int(row[2]), *row[3:]) for row in rows if row[2] is not None)  # by xid and id
    entries = [_entry(event) for event in events[:size]]
    if len(events) > size:
        last = events[size - 1]
        at = min(now, int(ids.instant(last.id).timestamp() * 1000))
        return Page(entries, Place(last.xid, last.id, at), caught_up=False)
    # Everything before the horizon is read: a reader without news stays as young as one with them.
    known = all(xid < horizon for xid in reading.demanded())
    return Page(entries, max(place, Place(horizon, UUID(int=0), now)), caught_up=known)


def _entry(event: _Event) -> bytes:
    return orjson.dumps(
        {
            "sequence": f"{event.xid:020}-{event.id}",
            "type": event.type,
            "id": event.subject,
            "version": event.version,
            "at": rfc3339(event.at),
            "changes": None if event.changes is None else orjson.Fragment(event.changes),
            "task": None if event.task is None else orjson.Fragment(event.task),
        }
    )
