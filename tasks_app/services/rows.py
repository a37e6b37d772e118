"""The rows of tasks as the writes use them, in the caller's transaction (`config.api.idempotency.perform`).

One rule keeps the versions of a task ascending in the event log: the version is read before the transaction's
first write, and the row is changed WHERE that version still stands; when it does not, LostRace starts again in
a *new* transaction. A transaction gets its id at its first write, so none can stand in the log before the one
that it followed (docs/decisions/0003-version-before-first-write.md).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from accounts.principal import Principal
from config.data.statements import Insert, Rows, Statement, together
from config.events import log
from config.events.log import NewEvent, Unsaved
from tasks_app.querysets import visible
from tasks_app.representation import COLUMNS, FIELDS, render
from tasks_app.services import kept
from tasks_app.services.rules import Change, Values

MOST_SHOWN = 10
_IN_ORDER = itemgetter(*COLUMNS)
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
_READ = f"SELECT {', '.join(FIELDS)} FROM "  # noqa: S608 (constants)
_INSERT_ONE = f"INSERT INTO task ({', '.join(FIELDS)}) VALUES ({', '.join(['%s'] * len(FIELDS))})"  # noqa: S608
_INSERT = f"""
INSERT INTO task ({_NAMES})
SELECT {_NAMES} FROM jsonb_to_recordset(%s::jsonb) AS new({", ".join(map(" ".join, _TYPES.items()))})
"""  # noqa: S608 (constants)
_LOCK = "SELECT FROM task WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE"
# The ids stand twice: as constants they name the partitions while the statement is planned.
_UPDATE = f"""
UPDATE task SET {", ".join(f"{name} = new.{name}" for name in _CHANGEABLE)}
FROM jsonb_to_recordset(%s::jsonb) AS new(id uuid, seen integer, {", ".join(map(" ".join, _CHANGEABLE.items()))})
WHERE task.id = ANY(%s) AND task.id = new.id AND task.version = new.seen
"""  # noqa: S608 (constants)


@dataclass(frozen=True, slots=True)
class Written:
    """A task after a write."""

    id: UUID
    version: int
    body: bytes  # empty for a task in the trash


class Draft(NamedTuple):
    """A write that is decided: what the task is then, and what is still to be done for it."""

    written: Written
    unsaved: Unsaved


def asks(tasks: Collection[UUID], *, locked: bool) -> list[Statement]:
    """The question for tasks, for `found`. `locked`: behind their advisory locks, taken in a statement before: their
    writers then queue up instead of missing each other. It gives out no transaction id, so that the rule above holds.

    All take the locks in one order, so that no two wait for each other; they end with the transaction.
    """
    one = len(tasks) == 1  # by a plan that is kept (docs/decisions/0013-lists-in-a-function.md)
    read = Statement(
        _READ + ("task_by_id(%s)" if one else "task WHERE id = ANY(%s)"), list(tasks) if one else [list(tasks)]
    )
    if not locked:
        return [read]
    keys = sorted({task.int & (2**63 - 1) for task in tasks})
    return [Statement("SELECT pg_advisory_xact_lock(key) FROM unnest(%s::bigint[]) AS key", [keys]), read]


def found(principal: Principal, answers: Sequence[Rows]) -> dict[UUID, Values]:
    """Those of the tasks that the principal may know of, the trash included, by id."""
    tasks = [dict(zip(COLUMNS, row, strict=True)) for row in answers[-1]]
    return {task["id"]: task for task in tasks if visible(principal, task["owner_id"], task["assignee_id"])}


def read(principal: Principal, tasks: Collection[UUID], *, locked: bool = False) -> dict[UUID, Values]:
    return found(principal, together(asks(tasks, locked=locked)))


def draft(change: Change, actor: str) -> Draft:
    [written], unsaved = drafts([change], actor)
    return Draft(written, unsaved)


def drafts(changes: Sequence[Change], actor: str) -> tuple[list[Written], Unsaved]:
    """What was decided, whatever its number, as three statements at most, which raise LostRace if a version has moved
    on. Every change of a task but its purge passes here.
    """
    written = [Written(change.task, change.after["version"], _body(change)) for change in changes]
    new = [change.after for change in changes if change.before is None]
    unchanged = {change.task for change in changes if not change.types}
    statements: list[Statement | Insert] = [Insert(insert, new)] if new else []
    statements += [*update(changes), *hold(unchanged)]
    return written, Unsaved(statements, _events(list(zip(changes, written, strict=True)), actor))


def _events(changes: Sequence[tuple[Change, Written]], actor: str) -> list[NewEvent]:
    """With what the cache shows after a few changes; after a large bulk it is read when asked for."""
    few = len(changes) <= MOST_SHOWN
    return [
        event
        for change, written in changes
        for event in change.events(
            actor, shown=kept.entry(change.after, written.body) if few and written.body else None
        )
    ]


def _body(change: Change) -> bytes:
    return render(change.after) if change.after["deleted_at"] is None else b""


def insert(tasks: Sequence[Values]) -> Statement:
    """Many as one value of JSON; that costs PostgreSQL 80 microseconds, and so a single one comes as its values."""
    if len(tasks) == 1:
        return Statement(_INSERT_ONE, _IN_ORDER(tasks[0]))
    return Statement(_INSERT, [_json([_plain(task) for task in tasks])])


def add(changes: Sequence[Change], actors: Sequence[str], *, using: str) -> None:
    """New tasks by the thousand (imports): nobody waits for what they look like."""
    events = [event for change, actor in zip(changes, actors, strict=True) for event in change.events(actor)]
    log.save([insert([change.after for change in changes])], events, using=using)


def update(changes: Sequence[Change]) -> list[Statement]:
    """Changes the rows that still have the version that was read; LostRace if one has not."""
    if len(changes) == 1:
        return _update_one(changes[0])
    rows: dict[UUID, dict[str, Any]] = {}
    for change in changes:
        if change.before is not None and change.types:
            seen = rows.get(change.task, {}).get("seen", change.before["version"])  # of the first change of its task
            rows[change.task] = {**_plain(change.after), "seen": seen}
    if not rows:
        return []
    # In the order of the ids, as single changes that share a transaction are: so that these two wait in no circle.
    tasks = list(rows)
    return [Statement(_LOCK, [tasks]), Statement(_UPDATE, [_json(list(rows.values())), tasks], rows=len(rows))]


def _update_one(change: Change) -> list[Statement]:
    before = change.before
    if before is None or not change.types:
        return []
    changed = {name: value for name, value in change.after.items() if value != before[name]}
    columns = ", ".join(f"{name.removesuffix('_id')} = %s" for name in changed)
    sql = f"UPDATE task SET {columns} WHERE id = %s AND version = %s"  # noqa: S608 (our own names)
    return [Statement(sql, [*changed.values(), change.task, before["version"]], rows=1)]


def hold(tasks: Collection[UUID]) -> list[Statement]:
    """Keeps tasks that are told as they were read from being purged before the end of this transaction: a purge takes
    the text out of stored answers, and would not find one that is stored later. LostRace when one is gone.
    """
    sql = "SELECT FROM task WHERE id = ANY(%s) ORDER BY id FOR KEY SHARE"
    return [Statement(sql, [list(tasks)], rows=len(tasks))] if tasks else []


def _json(rows: Sequence[Mapping[str, Any]]) -> str:
    return orjson.dumps(rows).decode()


def _plain(values: Values) -> dict[str, Any]:
    return dict(zip(FIELDS, _IN_ORDER(values), strict=True))
