"""The writes of one task: read it, decide (`services.rules`), save (`services.rows`), in the caller's transaction."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from accounts import services as accounts
from accounts.principal import Principal
from config.api.preconditions import IfMatch
from config.data import ids
from tasks_app.services import rows, rules
from tasks_app.services.rows import Written
from tasks_app.services.rules import Change, Values


def create(*, principal: Principal, fields: Mapping[str, Any]) -> Written:
    return save(rules.created(principal, fields, accounts.known_user, ids.uuid7()), principal.id)


def patch(*, principal: Principal, task: UUID, fields: Mapping[str, Any], if_match: IfMatch, locked: bool) -> Written:
    """Applies a merge patch. Raises Problem 404, 403, 412; LostRace when somebody wrote meanwhile."""
    values = find(principal, task, locked=locked)
    return save(rules.patched(principal, values, fields, if_match, accounts.known_user), principal.id)


def delete(*, principal: Principal, task: UUID, if_match: IfMatch, locked: bool) -> Written:
    """Puts a task into the trash."""
    return save(rules.deleted(principal, find(principal, task, locked=locked), if_match), principal.id)


def find(principal: Principal, task: UUID, *, locked: bool = False) -> Values | None:
    """The task, in the trash or not; None when the principal may not know of it. `locked`: behind its advisory lock."""
    if locked:
        rows.lock([task])
    return rows.read(principal, [task]).get(task)


def access(principal: Principal, task: UUID) -> Values:
    """The task, for a look at it. Raises Problem 404, also when it is in the trash."""
    return rules.alive(find(principal, task))


def save(change: Change, actor: str) -> Written:
    return rows.save([change], actor)[0]
