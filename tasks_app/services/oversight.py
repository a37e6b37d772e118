"""What an admin does to tasks in the Django admin: the API's own writes, in the admin's name."""

from collections.abc import Callable
from uuid import UUID

from django.db import IntegrityError, transaction

from accounts import services as accounts
from config.api.idempotency import ATTEMPTS, LostRace
from config.api.preconditions import IfMatch
from config.api.problems import Problem, unavailable
from config.data import partitions
from tasks_app.models import Status
from tasks_app.services import tasks
from tasks_app.services.rows import Written


def complete(*, actor: str, task: UUID) -> bool:
    """True when the task was changed, False when it was completed or gone already."""
    fields = {"status": Status.COMPLETED.value}
    return _write(
        lambda locked: tasks.patch(
            principal=accounts.overseer(actor), task=task, fields=fields, if_match=IfMatch.none(), locked=locked
        )
    )


def trash(*, actor: str, task: UUID) -> bool:
    """True when the task was moved to the trash, False when it was there already."""
    return _write(
        lambda locked: tasks.delete(
            principal=accounts.overseer(actor), task=task, if_match=IfMatch.none(), locked=locked
        )
    )


def _write(write: Callable[[bool], Written]) -> bool:
    for attempt in range(ATTEMPTS):
        try:
            with transaction.atomic(durable=True):
                return write(attempt > 0).xid is not None
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
