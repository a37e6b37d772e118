"""The writes of one task: what was found is judged (`services.rules`), and what is to be done comes as a draft
(`services.rows`). The caller asks and saves, so that both travel with what else he has to say.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from accounts import services as accounts
from accounts.principal import Principal
from config.api.preconditions import IfMatch
from config.data import ids
from tasks_app.services import rows, rules
from tasks_app.services.rows import Draft
from tasks_app.services.rules import Values


def create(*, principal: Principal, fields: Mapping[str, Any]) -> Draft:
    return rows.draft(rules.created(principal, fields, accounts.known_user, ids.uuid7()), principal.id)


def patch(*, principal: Principal, values: Values | None, fields: Mapping[str, Any], if_match: IfMatch) -> Draft:
    """Applies a merge patch. Raises Problem 404, 403, 412, 400."""
    return rows.draft(rules.patched(principal, values, fields, if_match, accounts.known_user), principal.id)


def delete(*, principal: Principal, values: Values | None, if_match: IfMatch) -> Draft:
    """Puts a task into the trash."""
    return rows.draft(rules.deleted(principal, values, if_match), principal.id)


def restore(*, principal: Principal, values: Values | None, if_match: IfMatch) -> Draft:
    """Takes a task back out of the trash. Raises Problem 409 when it is not there."""
    return rows.draft(rules.restored(principal, values, if_match), principal.id)


def find(principal: Principal, task: UUID, *, locked: bool = False) -> Values | None:
    """The task, in the trash or not; None when the principal may not know of it. `locked`: behind its advisory lock."""
    return rows.read(principal, [task], locked=locked).get(task)


def access(principal: Principal, task: UUID) -> Values:
    """The task, for a look at it. Raises Problem 404, also when it is in the trash."""
    return rules.alive(find(principal, task))
