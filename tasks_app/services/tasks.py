"""The writes of a task. Each runs in the caller's transaction (`config.api.idempotency.perform`).

One rule keeps the versions of a task ascending in the event log: the version is read before the transaction's
first write, and the row is changed WHERE that version still stands; when it does not, LostRace starts again in
a *new* transaction. A transaction gets its id at its first write, so none can stand in the log before the one
that it followed (docs/decisions/0003-version-before-first-write.md).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection

from accounts import services as accounts
from accounts.principal import Principal
from config.api.idempotency import LostRace
from config.api.permissions import insufficient_scope
from config.api.preconditions import IfMatch
from config.api.problems import Problem
from config.data import ids, times
from config.events import log
from config.events.log import NewEvent
from tasks_app.models import Status, Task
from tasks_app.representation import COLUMNS, plain, render

ASSIGNEE_MAY = frozenset({"status"})
DEFAULTS: dict[str, Any] = {
    "description": "",
    "status": Status.PENDING.value,
    "priority": "normal",
    "due_at": None,
    "labels": [],
    "assignee_id": None,
}


@dataclass(frozen=True, slots=True)
class Written:
    """A task after a write. `xid` is the transaction, None when nothing had to change."""

    id: UUID
    version: int
    body: bytes
    xid: int | None


def create(*, principal: Principal, fields: Mapping[str, Any]) -> Written:
    fields = _columns(fields)
    check_assignee(fields)
    identifier = ids.uuid7()
    at = ids.instant(identifier)
    values = {
        **DEFAULTS,
        **fields,
        "id": identifier,
        "owner_id": principal.id,
        "version": 1,
        "created_at": at,
        "updated_at": at,
        "completed_at": None,
        "deleted_at": None,
        **Task.derived(fields, at),
    }
    Task.objects.bulk_create([Task(**values)])
    changes = {_field(name): {"from": None, "to": plain(value)} for name, value in fields.items()}
    xid = record(values, principal.id, changes, ["task.created", *_completion(None, values)])
    return Written(identifier, 1, render(values), xid)


def patch(*, principal: Principal, task: UUID, fields: Mapping[str, Any], if_match: IfMatch, locked: bool) -> Written:
    """Applies a merge patch. Raises Problem 404, 403, 412; LostRace when somebody wrote meanwhile."""
    values = access(principal, task, locked=locked)
    check_writable(principal, values, set(fields))
    if_match.check(values["version"])
    fields = _columns(fields)
    check_assignee(fields)
    changed = {name: value for name, value in fields.items() if values[name] != value}
    if not changed:
        return Written(task, values["version"], render(values), None)
    changes = {_field(name): {"from": plain(values[name]), "to": plain(value)} for name, value in changed.items()}
    after = update(values, {**changed, **Task.derived(changed, times.now())})
    xid = record(after, principal.id, changes, ["task.updated", *_completion(values, after)])
    return Written(task, after["version"], render(after), xid)


def delete(*, principal: Principal, task: UUID, if_match: IfMatch, locked: bool) -> Written:
    """Puts a task into the trash. Only its owner (or tasks:admin) may."""
    values = access(principal, task, locked=locked)
    if not owns(principal, values):
        raise insufficient_scope("tasks:admin", "An assignee may not delete a task; its owner may.")
    if_match.check(values["version"])
    after = update(values, {"deleted_at": times.now()})
    changes = {"deleted_at": {"from": None, "to": plain(after["deleted_at"])}}
    return Written(task, after["version"], b"", record(after, principal.id, changes, ["task.deleted"]))


def access(principal: Principal, task: UUID, *, locked: bool = False, trashed: bool = False) -> dict[str, Any]:
    """The values of a task that the principal may know of, keyed by COLUMNS. Raises Problem 404.

    A task in the trash is not there, but for `trashed`.

    `locked` takes the task's advisory lock first: that gives out no transaction id, so that the rule above
    holds, and the writers of one task then queue up instead of missing each other.
    """
    if locked:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [task.int & (2**63 - 1)])
    found = Task.objects.using("default").visible_to(principal).filter(id=task)
    values = (found if trashed else found.alive()).values(*COLUMNS).first()
    if values is None:
        raise Problem("not-found", "There is no such task, or you may not know of it.")
    return dict(values)


def owns(principal: Principal, values: Mapping[str, Any]) -> bool:
    return bool(values["owner_id"] == principal.id or principal.may("tasks:admin"))


def check_writable(principal: Principal, values: Mapping[str, Any], names: set[str]) -> None:
    """An assignee may change the status; whatever else a patch names is refused, even with the same value."""
    if not owns(principal, values) and not names <= ASSIGNEE_MAY:
        refused = ", ".join(sorted(names - ASSIGNEE_MAY))
        raise insufficient_scope("tasks:admin", f"An assignee may change only the status, not {refused}.")


def check_assignee(fields: Mapping[str, Any]) -> None:
    assignee = fields.get("assignee_id")
    if assignee is not None and not accounts.known_user(assignee):
        detail = "There is no user with this id; users are known from their first call on."
        error = {"pointer": "#/assignee", "code": "unknown_user", "detail": detail}
        raise Problem("invalid-body", detail, errors=[error])


def update(values: Mapping[str, Any], changed: Mapping[str, Any]) -> dict[str, Any]:
    """Changes the row if it still has the version that was read; LostRace otherwise."""
    version = values["version"]
    # A clock that was set back must not let updated_at go back: the list by -updated_at would lose the row.
    at = max(times.now(), values["updated_at"])
    after = {**values, **changed, "version": version + 1, "updated_at": at}
    names = [*changed, "version", "updated_at"]
    found = Task.objects.filter(id=values["id"], version=version)
    if not found.update(**{name: after[name] for name in names}):
        raise LostRace
    return after


def record(values: Mapping[str, Any], actor: str, changes: Mapping[str, Any], types: list[str]) -> int:
    """Appends one event of each type; returns the id of this transaction."""
    return log.append(
        [
            NewEvent(
                type=type_,
                subject=values["id"],
                owner=values["owner_id"],
                actor=actor,
                version=values["version"],
                changes=dict(changes),
            )
            for type_ in types
        ]
    )


def _completion(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> list[str]:
    completed = after["status"] == Status.COMPLETED
    was = before is not None and before["status"] == Status.COMPLETED
    return ["task.completed"] if completed and not was else []


def _columns(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {"assignee_id" if name == "assignee" else name: value for name, value in fields.items()}


def _field(column: str) -> str:
    return "assignee" if column == "assignee_id" else column
