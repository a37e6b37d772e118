"""What one write makes of a task, and who may do it. Nothing here asks the database or changes it.

A single call and each operation of a bulk decide here, so that both obey the same rules in the same order:
404, 403, 412, 400, 409. What was decided is written by `services.rows`.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import UUID

from accounts.principal import Principal
from config.api.permissions import insufficient_scope
from config.api.preconditions import IfMatch
from config.api.problems import Problem
from config.data import ids, times
from config.events.log import NewEvent
from tasks_app.models import Status, Task
from tasks_app.representation import plain

ASSIGNEE_MAY = frozenset({"status"})
DEFAULTS: dict[str, Any] = {
    "description": "",
    "status": Status.PENDING.value,
    "priority": "normal",
    "due_at": None,
    "labels": [],
    "assignee_id": None,
}

Values = Mapping[str, Any]  # of one task, keyed by representation.COLUMNS
KnownUser = Callable[[str], bool]


class Change(NamedTuple):
    """A task before and after a write: None before for a new one, no event types when nothing had to change."""

    before: Values | None
    after: Values
    diff: Mapping[str, Any] = MappingProxyType({})  # {field: {"from": …, "to": …}}
    types: tuple[str, ...] = ()
    imported: bool = False  # it happened long ago: at the task's own times, and nobody is told

    @property
    def task(self) -> UUID:
        identifier: UUID = self.after["id"]
        return identifier

    def events(self, actor: str, shown: bytes | None = None) -> list[NewEvent]:
        return [
            NewEvent(
                type=type_,
                subject=self.task,
                owner=self.after["owner_id"],
                actor=actor,
                version=self.after["version"],
                changes=dict(self.diff),
                shown=shown,
                **(self._of_old(type_) if self.imported else {}),
            )
            for type_ in self.types
        ]

    def _of_old(self, type_: str) -> dict[str, Any]:
        at = self.after["completed_at" if type_ == "task.completed" else "created_at"]
        return {"at": at, "data": {"imported": True}}


def created(principal: Principal, fields: Mapping[str, Any], known_user: KnownUser, identifier: UUID) -> Change:
    return _new(principal.id, fields, known_user, identifier)


def imported(
    owner: str, fields: Mapping[str, Any], known_user: KnownUser, identifier: UUID, completed_at: datetime | None
) -> Change:
    """A task from elsewhere, last changed when it was completed; created at the time of its id."""
    change = _new(owner, fields, known_user, identifier)._replace(imported=True)
    if completed_at is None:
        return change
    return change._replace(after={**change.after, "completed_at": completed_at, "updated_at": completed_at})


def _new(owner: str, fields: Mapping[str, Any], known_user: KnownUser, identifier: UUID) -> Change:
    fields = _columns(fields)
    _check_assignee(fields, known_user)
    at = ids.instant(identifier)
    after = {
        **DEFAULTS,
        **fields,
        "id": identifier,
        "owner_id": owner,
        "version": 1,
        "created_at": at,
        "updated_at": at,
        "completed_at": None,
        "deleted_at": None,
        **Task.derived(fields, at),
    }
    diff = {_field(name): {"from": None, "to": plain(value)} for name, value in fields.items()}
    return Change(None, after, diff, ("task.created", *_completion(None, after)))


def patched(
    principal: Principal, values: Values | None, fields: Mapping[str, Any], if_match: IfMatch, known_user: KnownUser
) -> Change:
    """A merge patch applied. Raises Problem 404, 403, 412, 400."""
    values = alive(values)
    _check_writable(principal, values, set(fields))
    if_match.check(values["version"])
    fields = _columns(fields)
    _check_assignee(fields, known_user)
    changed = {name: value for name, value in fields.items() if values[name] != value}
    if not changed:
        return Change(values, values)
    after = _next(values, {**changed, **Task.derived(changed, times.now())})
    return Change(values, after, _diff(values, changed), ("task.updated", *_completion(values, after)))


def deleted(principal: Principal, values: Values | None, if_match: IfMatch) -> Change:
    """Into the trash. Only the owner (or tasks:admin) may."""
    values = alive(values)
    if not owns(principal, values):
        raise insufficient_scope("tasks:admin", "An assignee may not delete a task; its owner may.")
    if_match.check(values["version"])
    gone = {"deleted_at": times.now()}
    return Change(values, _next(values, gone), _diff(values, gone), ("task.deleted",))


def restored(principal: Principal, values: Values | None, if_match: IfMatch) -> Change:
    """Out of the trash. Raises Problem 409 when it is not there."""
    values = owned(principal, values)
    if_match.check(values["version"])
    if values["deleted_at"] is None:
        raise Problem("conflict", "The task is not in the trash.")
    back = {"deleted_at": None}
    return Change(values, _next(values, back), _diff(values, back), ("task.restored",))


def there(values: Values | None) -> Values:
    """A task that the caller may know of, in the trash or not. Raises Problem 404."""
    if values is None:
        raise Problem("not-found", "There is no such task, or you may not know of it.")
    return values


def alive(values: Values | None) -> Values:
    """For every call but restore, history and purge a task in the trash is not there."""
    return there(None if values is None or values["deleted_at"] is not None else values)


def owned(principal: Principal, values: Values | None) -> Values:
    values = there(values)
    if not owns(principal, values):
        raise insufficient_scope("tasks:admin", "Only the owner of a task may take it from the trash.")
    return values


def owns(principal: Principal, values: Values) -> bool:
    return bool(values["owner_id"] == principal.id or principal.may("tasks:admin"))


def _check_writable(principal: Principal, values: Values, names: set[str]) -> None:
    """An assignee may change the status; whatever else a patch names is refused, even with the same value."""
    if not owns(principal, values) and not names <= ASSIGNEE_MAY:
        refused = ", ".join(sorted(names - ASSIGNEE_MAY))
        raise insufficient_scope("tasks:admin", f"An assignee may change only the status, not {refused}.")


def _check_assignee(fields: Mapping[str, Any], known_user: KnownUser) -> None:
    assignee = fields.get("assignee_id")
    if assignee is not None and not known_user(assignee):
        detail = "There is no user with this id; users are known from their first call on."
        error = {"pointer": "#/assignee", "code": "unknown_user", "detail": detail}
        raise Problem("invalid-body", detail, errors=[error])


def _next(values: Values, changed: Mapping[str, Any]) -> dict[str, Any]:
    # A clock that was set back must not let updated_at go back: the list by -updated_at would lose the row.
    at = max(times.now(), values["updated_at"])
    return {**values, **changed, "version": values["version"] + 1, "updated_at": at}


def _diff(values: Values, changed: Mapping[str, Any]) -> dict[str, Any]:
    return {_field(name): {"from": plain(values[name]), "to": plain(value)} for name, value in changed.items()}


def _completion(before: Values | None, after: Values) -> tuple[str, ...]:
    completed = after["status"] == Status.COMPLETED
    was = before is not None and before["status"] == Status.COMPLETED
    return ("task.completed",) if completed and not was else ()


def _columns(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {"assignee_id" if name == "assignee" else name: value for name, value in fields.items()}


def _field(column: str) -> str:
    return "assignee" if column == "assignee_id" else column
