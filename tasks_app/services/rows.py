"""The rows of tasks as the writes use them, in the caller's transaction (`config.api.idempotency.perform`).

One rule keeps the versions of a task ascending in the event log: the version is read before the transaction's
first write, and the row is changed WHERE that version still stands; when it does not, LostRace starts again in
a *new* transaction. A transaction gets its id at its first write, so none can stand in the log before the one
that it followed (docs/decisions/0003-version-before-first-write.md).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from django.db import DEFAULT_DB_ALIAS, connection, connections

from accounts.principal import Principal
from config.api.idempotency import LostRace
from config.events import log
from tasks_app.models import Task
from tasks_app.representation import COLUMNS, plain, render
from tasks_app.services import kept
from tasks_app.services.rules import Change, Values

MOST_SHOWN = 10
# What a write may change, with the types to read it from JSON.
_CHANGEABLE = {
    "title": "text",
    "description": "text",
    "status": "text",
    "priority": "text",
    "due_at": "timestamptz",
    "labels": "varchar[]",
    "assignee": "varchar",
    "version": "integer",
    "updated_at": "timestamptz",
    "completed_at": "timestamptz",
    "deleted_at": "timestamptz",
}
_TYPES = {"id": "uuid", "owner": "varchar", "created_at": "timestamptz", **_CHANGEABLE}
_NAMES = ", ".join(_TYPES)
_INSERT = f"""
INSERT INTO task ({_NAMES})
SELECT {_NAMES} FROM jsonb_to_recordset(%s::jsonb) AS new({", ".join(map(" ".join, _TYPES.items()))})
"""  # noqa: S608 (constants)
# The ids stand twice: as constants they name the partitions while the statement is planned.
_UPDATE = f"""
UPDATE task SET {", ".join(f"{name} = new.{name}" for name in _CHANGEABLE)}
FROM jsonb_to_recordset(%s::jsonb) AS new(id uuid, seen integer, {", ".join(map(" ".join, _CHANGEABLE.items()))})
WHERE task.id = ANY(%s) AND task.id = new.id AND task.version = new.seen
"""  # noqa: S608 (constants)


@dataclass(frozen=True, slots=True)
class Written:
    """A task after a write. `xid` is the transaction, None when nothing had to change."""

    id: UUID
    version: int
    body: bytes  # empty for a task in the trash
    xid: int | None


def read(principal: Principal, tasks: Collection[UUID]) -> dict[UUID, Values]:
    """Those of the tasks that the principal may know of, the trash included, by id. From the primary."""
    found = Task.objects.using("default").visible_to(principal)
    rows = found.filter(id=next(iter(tasks))) if len(tasks) == 1 else found.filter(id__in=tasks)
    return {row["id"]: row for row in rows.values(*COLUMNS)}


def lock(tasks: Collection[UUID]) -> None:
    """Takes the advisory locks of tasks, in a statement before they are read: their writers then queue up instead of
    missing each other. It gives out no transaction id, so that the rule above holds.

    All take them in one order, so that no two wait for each other; they end with the transaction.
    """
    keys = sorted({task.int & (2**63 - 1) for task in tasks})
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(key) FROM unnest(%s::bigint[]) AS key", [keys])


def save(changes: Sequence[Change], actor: str) -> list[Written]:
    """Writes what was decided, whatever its number, in three statements; raises LostRace if a version has moved on.

    Every change of a task but its purge passes here.
    """
    _insert([change.after for change in changes if change.before is None])
    update(changes)
    bodies = [_body(change) for change in changes]
    xid = _record(list(zip(changes, bodies, strict=True)), actor)
    if unchanged := {change.task for change in changes if not change.types}:
        hold(unchanged)
    return [_written(change, body, xid) for change, body in zip(changes, bodies, strict=True)]


def _record(changes: Sequence[tuple[Change, bytes]], actor: str) -> int | None:
    """The events, with what the cache shows after a few changes; after a large bulk it is read when asked for."""
    few = len(changes) <= MOST_SHOWN
    events = [
        event
        for change, body in changes
        for event in change.events(actor, shown=kept.entry(change.after, body) if few and body else None)
    ]
    return log.append(events) if events else None


def preview(change: Change) -> Written:
    """What `save` would return, without the transaction."""
    return _written(change, _body(change), None)


def _body(change: Change) -> bytes:
    return render(change.after) if change.after["deleted_at"] is None else b""


def _written(change: Change, body: bytes, xid: int | None) -> Written:
    return Written(change.task, change.after["version"], body, xid if change.types else None)


def add(changes: Sequence[Change], actors: Sequence[str], *, using: str) -> None:
    """New tasks by the thousand (imports): nobody waits for what they look like."""
    _insert([change.after for change in changes], using)
    events = [event for change, actor in zip(changes, actors, strict=True) for event in change.events(actor)]
    log.append(events, using=using)


def _insert(tasks: Sequence[Values], using: str = DEFAULT_DB_ALIAS) -> None:
    """As one value of JSON: the ORM's own way costs a model instance and a new text of SQL each time."""
    if tasks:
        with connections[using].cursor() as cursor:
            cursor.execute(_INSERT, [orjson.dumps([_plain(task) for task in tasks]).decode()])


def update(changes: Sequence[Change]) -> None:
    """Changes the rows that still have the version that was read; LostRace if one has not."""
    rows: dict[UUID, dict[str, Any]] = {}
    for change in changes:
        if change.before is not None and change.types:
            seen = rows.get(change.task, {}).get("seen", change.before["version"])  # of the first change of its task
            rows[change.task] = {**_plain(change.after), "seen": seen}
    if not rows:
        return
    with connection.cursor() as cursor:
        cursor.execute(_UPDATE, [orjson.dumps(list(rows.values())).decode(), list(rows)])
        if cursor.rowcount != len(rows):
            raise LostRace


def hold(tasks: Collection[UUID]) -> None:
    """Keeps tasks that are told as they were read from being purged before the end of this transaction: a purge takes
    the text out of stored answers, and would not find one that is stored later. LostRace when one is gone.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT FROM task WHERE id = ANY(%s) ORDER BY id FOR KEY SHARE", [list(tasks)])
        if cursor.rowcount != len(tasks):
            raise LostRace


def _plain(values: Values) -> dict[str, Any]:
    return {name.removesuffix("_id"): plain(value) for name, value in values.items()}
