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
from config.data.statements import Rows, Statement
from config.events.log import Unsaved
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


def asks(operations: Sequence[Operation | Problem], *, locked: bool = True) -> list[Statement]:
    """What has to be known of the tasks that are named.

    Their locks are taken at once and not, as for a single task, after a lost race: one statement for the whole call
    is cheap beside deciding it again, and two bulks that meet on several rows would else wait for each other.
    """
    named = {one.task for one in operations if isinstance(one, Operation) and one.task is not None}
    return rows.asks(named, locked=locked) if named else []


def decide(
    *, principal: Principal, operations: Sequence[Operation | Problem], answers: Sequence[Rows], atomic: bool
) -> tuple[list[Written | Problem], Unsaved]:
    """What becomes of each operation, and what is to be done for it; a Problem among `operations` was refused before.

    `atomic` raises the first Problem instead.
    """
    valid = [one for one in operations if isinstance(one, Operation)]
    board = _Board(principal, valid, rows.found(principal, answers) if answers else {})
    outcomes = [
        one if isinstance(one, Problem) else board.outcome(one, f"#/operations/{index}")
        for index, one in enumerate(operations)
    ]
    if atomic:
        for outcome in outcomes:
            if isinstance(outcome, Problem):
                raise outcome
    written, unsaved = rows.drafts([one for one in outcomes if isinstance(one, Change)], principal.id)
    following = iter(written)
    return [one if isinstance(one, Problem) else next(following) for one in outcomes], unsaved


class _Board:
    """The tasks of a bulk, each as the operations so far have left it."""

    def __init__(self, principal: Principal, operations: Sequence[Operation], tasks: dict[UUID, Values]) -> None:
        self._principal, self._tasks = principal, tasks
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
