"""Another try of a job whose row is the truth about it.

Such a job may be lost at any moment: a periodic one finds its row. So nothing here counts tries (the row does), and
a retry that the broker does not take is no dead letter.
"""

import logging
from typing import Any

from celery.exceptions import Reject
from django.db import InterfaceError, OperationalError

from config.data import leases

logger = logging.getLogger("events.retries")

# What says nothing against the job: another worker has it, or the database does not answer.
LATER: tuple[type[Exception], ...] = (leases.Held, OperationalError, InterfaceError)


def again(task: Any, seconds: int = leases.LOOK_AGAIN) -> None:
    """Raises Celery's Retry. Whole seconds: a fraction of one is an error with quorum queues."""
    try:
        task.retry(countdown=seconds, max_retries=None)
    except Reject as error:
        logger.warning("a retry could not be published: %s", error, extra={"task": task.name})
