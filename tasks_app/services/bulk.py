"""Many writes in one transaction: read all tasks, decide each operation on what those before it left, save once.

Nothing is written before everything is decided. So a refused operation has nothing to take back, a dry run is the
same without the end, and a hundred operations cost as many statements as one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from accounts import services as accounts
from accounts.principal import Principal
from config.api.permissions import insufficient_scope
from config.api.preconditions import IfMatch
from config.api.problems import Problem
from config.data import ids
from tasks_app.services import rows, rules
from tasks_app.services.rows import Written
from tasks_app.services.rules import Change, Values

NEEDS = {"create": "tasks:write", "update": "tasks:write", "delete": "tasks:delete", "restore": "tasks:write"}
MOST = 100  # operations of a call
# The member of an operation that a refusal is about.
_ABOUT = {"forbidden": "op", "precondition-failed": "if_match", "precondition-required": "if_match"}


@dataclass(frozen=True, slots=True)
class Operation:
    op: str
    task: UUID | None = None  # None for a new one
    if_match: IfMatch = field(default_factory=IfMatch.none)
    fields: Mapping[str, Any] = field(default_factory=dict)


def run(
    *, principal: Principal, operations: Sequence[Operation | Problem], atomic: bool, dry_run: bool
) -> list[Written | Problem]:
    """What became of each operation; a Problem among `operations` was refused before. The caller's transaction.

    `atomic` raises the first Problem instead; LostRace when somebody wrote meanwhile.
    """
    outcomes = _decide(principal, [one for one in operations if isinstance(one, Operation)], operations, not dry_run)
    if atomic:
        for outcome in outcomes:
            if isinstance(outcome, Problem):
                raise outcome
    changes = [outcome for outcome in outcomes if isinstance(outcome, Change)]
    written = iter(map(rows.preview, changes) if dry_run else rows.save(changes, principal.id))
    return [outcome if isinstance(outcome, Problem) else next(written) for outcome in outcomes]


def _decide(
    principal: Principal, valid: Sequence[Operation], operations: Sequence[Operation | Problem], lock: bool
) -> list[Change | Problem]:
    board = _Board(principal, valid, lock)
    return [
        one if isinstance(one, Problem) else board.outcome(one, f"#/operations/{index}")
        for index, one in enumerate(operations)
    ]


class _Board:
    """The tasks of a bulk, each as the operations so far have left it.

    Their locks are taken at once and not, as for a single task, after a lost race: one statement for the whole call
    is cheap beside deciding it again, and two bulks that meet on several rows would else wait for each other.
    """

    def __init__(self, principal: Principal, operations: Sequence[Operation], lock: bool) -> None:
        self._principal = principal
        named = {one.task for one in operations if one.task is not None}
        if named and lock:
            rows.lock(named)
        self._tasks: dict[UUID, Values] = rows.read(principal, named) if named else {}
        assignees = {one.fields["assignee"] for one in operations if one.fields.get("assignee") is not None}
        self._users = accounts.known_users(assignees) if assignees else set()
        self._ids = iter(ids.ascending(sum(one.task is None for one in operations)))

    def outcome(self, operation: Operation, pointer: str) -> Change | Problem:
        try:
            change = self._decide(operation)
        except Problem as problem:
            return at(pointer, problem)
        self._tasks[change.task] = change.after
        return change

    def _decide(self, operation: Operation) -> Change:
        principal, if_match = self._principal, operation.if_match
        if not principal.may(NEEDS[operation.op]):
            raise insufficient_scope(NEEDS[operation.op])
        if operation.task is None:
            return rules.created(principal, operation.fields, self._users.__contains__, next(self._ids))
        values = self._tasks.get(operation.task)
        if operation.op == "restore":
            return rules.restored(principal, values, if_match)
        if if_match.missing(principal.client):
            rules.alive(values)  # 404 comes before 428
            raise Problem("precondition-required")
        if operation.op == "delete":
            return rules.deleted(principal, values, if_match)
        return rules.patched(principal, values, operation.fields, if_match, self._users.__contains__)


def at(pointer: str, problem: Problem) -> Problem:
    """The refusal of a single call as that of an operation: what it says of a body or a header is said of a part."""
    about = f"{pointer}/{_ABOUT.get(problem.slug, 'id')}"
    errors = [{**error, "pointer": error["pointer"].replace("#", f"{pointer}/body", 1)} for error in problem.errors]
    return Problem(
        problem.slug,
        str(problem.detail),
        errors=errors or [{"pointer": about, "code": problem.slug, "detail": str(problem.detail)}],
        headers={name: value for name, value in problem.headers.items() if name != "ETag"},
        members=problem.members,
    )
