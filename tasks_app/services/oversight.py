"""What an admin does to tasks in the Django admin: the API's own writes, in the admin's name."""

from collections.abc import Callable
from functools import partial
from uuid import UUID

from django.db import IntegrityError, transaction

from accounts import services as accounts
from accounts.principal import Principal
from config.api.idempotency import ATTEMPTS
from config.api.preconditions import IfMatch
from config.api.problems import Problem, unavailable
from config.data import partitions
from config.data.statements import LostRace
from config.events import log
from tasks_app.models import Status
from tasks_app.services import tasks
from tasks_app.services.rows import Draft


def complete(*, actor: str, task: UUID) -> bool:
    """True when the task was changed, False when it was completed or gone already."""
    fields = {"status": Status.COMPLETED.value}
    return _write(task, accounts.overseer(actor), partial(tasks.patch, fields=fields))


def trash(*, actor: str, task: UUID) -> bool:
    """True when the task was moved to the trash, False when it was there already."""
    return _write(task, accounts.overseer(actor), tasks.delete)


def _write(task: UUID, principal: Principal, decide: Callable[..., Draft]) -> bool:
    for attempt in range(ATTEMPTS):
        try:
            with transaction.atomic(durable=True):
                values = tasks.find(principal, task, locked=attempt > 0)
                decided = decide(principal=principal, values=values, if_match=IfMatch.none())
                log.save(*decided.unsaved)
                return bool(decided.unsaved.events)
        except LostRace:
            continue
        except IntegrityError as error:
            if not partitions.made_missing(error):
                raise
        except Problem as problem:
            if problem.status_code == 404:
                return False
            raise
    raise unavailable("Too many writers change this task at once.")
