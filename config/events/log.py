"""Appends to the event log. Nothing is published here: a broker in trouble must never slow or fail a write."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from django.db import DEFAULT_DB_ALIAS, connections, transaction
from psycopg.types.json import Jsonb

from config.cache import marks
from config.cache.shelf import ITSELF, Place
from config.data import ids
from config.data.statements import Insert, Statement, merged, together
from config.events.models import Event
from config.observability import context

_TYPES = {
    "id": "uuid",
    "type": "text",
    "subject": "uuid",
    "owner": "text",
    "actor": "text",
    "version": "integer",
    "changes": "jsonb",
    "data": "jsonb",
    "request_id": "text",
    "traceparent": "text",
    "at": "timestamptz",
}
_COLUMNS = ", ".join(_TYPES)
_INSERT_ONE = f"INSERT INTO event ({_COLUMNS}) VALUES ({', '.join(['%s'] * len(_TYPES))}) RETURNING xid"  # noqa: S608
_INSERT = f"""
INSERT INTO event ({_COLUMNS})
SELECT {_COLUMNS} FROM jsonb_to_recordset(%s::jsonb) AS new({", ".join(map(" ".join, _TYPES.items()))}) RETURNING xid
"""  # noqa: S608 (constants)
FIRST = 1  # the version of what was not there before, so that nothing can be kept of it


@dataclass(frozen=True, slots=True)
class NewEvent:
    """What happened. `at` is given by imports only: it is otherwise the time of the id, which is always now,
    because the relay and the partitions go by the id. `shown` is what the cache keeps of the subject after it."""

    type: str
    subject: UUID
    owner: str
    actor: str
    version: int | None = None
    changes: dict[str, Any] | None = None
    data: dict[str, Any] | None = None
    at: datetime | None = None
    shown: bytes | None = None
    request_id: str = field(default_factory=lambda: context.request_id.get() or "")
    traceparent: str = field(default_factory=lambda: context.traceparent.get() or "")


class Unsaved(NamedTuple):
    """A write that is decided and not yet done: its statements, and what happened."""

    statements: Sequence[Statement | Insert]
    events: Sequence[NewEvent]


def append(events: Sequence[NewEvent], *, using: str = DEFAULT_DB_ALIAS) -> int:
    """Inserts the events in one statement, in their order, and returns the id of the transaction (xid8).

    Raises TransactionManagementError outside a transaction: an event that stands without its write is a lie.
    """
    if not events:
        raise ValueError("There are no events to append.")
    return save((), events, using=using)


def save(statements: Sequence[Statement | Insert], events: Sequence[NewEvent], *, using: str = DEFAULT_DB_ALIAS) -> int:
    """Does a write in one round trip: its statements, then its events. Returns the id of the transaction (what changes
    nothing has seen a state all the same). Raises LostRace when a statement missed.

    The cache hears of it here, where every write comes by: of the subjects, their owners' lists, and who wrote.
    """
    if not connections[using].in_atomic_block:
        raise transaction.TransactionManagementError("An event is appended in the transaction of its write.")
    last = _insert(events) if events else Statement("SELECT pg_current_xact_id()::text")
    xid = int(together([*merged(statements), last], using=using)[-1][0][0])
    if events:
        _tell_the_cache(events, xid, using)
    return xid


def _insert(events: Sequence[NewEvent]) -> Statement:
    """Many as one value of JSON, which costs half of their values. Their ids ascend, because the events of one
    transaction are read in the order of their ids.
    """
    rows = [_row(event, identifier) for event, identifier in zip(events, ids.ascending(len(events)), strict=True)]
    if len(rows) == 1:
        return Statement(_INSERT_ONE, [_value(value) for value in rows[0]])
    return Statement(_INSERT, [orjson.dumps([dict(zip(_TYPES, row, strict=True)) for row in rows]).decode()])


def _tell_the_cache(events: Sequence[NewEvent], xid: int, using: str) -> None:
    touched = {event.owner for event in events}
    touched |= {str(event.subject) for event in events if event.version != FIRST}
    last = {Place(str(event.subject), ITSELF): event.shown for event in events}
    left = {place: shown for place, shown in last.items() if shown is not None}
    marks.tell(xid, actors={event.actor for event in events}, touched=touched, left=left, using=using)


def _row(event: NewEvent, identifier: UUID) -> tuple[Any, ...]:
    return (
        identifier,
        event.type,
        event.subject,
        event.owner,
        event.actor,
        event.version,
        event.changes,
        event.data,
        event.request_id,
        event.traceparent,
        event.at or ids.instant(identifier),
    )


def _value(value: Any) -> Any:
    return Jsonb(value, dumps=orjson.dumps) if isinstance(value, dict) else value


def erase_text(subject: UUID) -> None:
    """Takes the text out of a purged object's events; that they happened stays."""
    Event.objects.filter(subject=subject).update(changes=None, data=None)
