"""Gone for good, out of the trash. In the caller's transaction."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction

from accounts.principal import Principal
from config.api.idempotency import forget_answers
from config.api.preconditions import IfMatch
from config.api.problems import Problem
from config.data.statements import LostRace
from config.events import log
from config.events.log import NewEvent
from tasks_app.models import Task
from tasks_app.representation import COLUMNS
from tasks_app.services import rules
from tasks_app.services.rules import Values
from tasks_app.services.tasks import find

MOST_PURGED = 10_000  # tasks a run


def purge(*, principal: Principal, task: UUID, if_match: IfMatch, locked: bool) -> int:
    """Removes a task that is in the trash, with its text wherever it stands, and returns the transaction's id. Raises
    Problem 404 when it is not there.
    """
    values = rules.owned(principal, find(principal, task, locked=locked))
    if values["deleted_at"] is None:
        raise Problem("not-found", "There is no such task in the trash.")
    if_match.check(values["version"])
    return erase(values, principal.id)


def erase(values: Values, actor: str) -> int:
    """The row, the diffs in its events and the stored answers go; that it existed and was purged stays."""
    task, version = values["id"], values["version"]
    if not Task.objects.filter(id=task, version=version).delete()[0]:
        raise LostRace
    log.erase_text(task)
    forget_answers(task)
    purged = NewEvent(type="task.purged", subject=task, owner=values["owner_id"], actor=actor, version=version + 1)
    return log.append([purged])


def purge_old() -> int:
    """Purges what has been in the trash for longer than TRASH_RETENTION, a task in each transaction."""
    limit = datetime.now(UTC) - timedelta(seconds=settings.TRASH_RETENTION)
    purged = 0
    for values in Task.objects.using("default").filter(deleted_at__lt=limit).values(*COLUMNS)[:MOST_PURGED]:
        try:
            with transaction.atomic(durable=True):
                erase(values, values["owner_id"])
        except LostRace:
            continue  # restored or purged meanwhile
        purged += 1
    return purged
