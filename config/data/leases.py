"""A row in a worker's hands for as long as that worker lives: others wait for its lease, and take over after it.

A lease that nobody renews would have to be longer than the longest piece of work, and the work of a killed worker
would lie still for as long. Times are the database's, so that no clock of a worker decides.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db import Error, connections
from django.db.models import DateTimeField, Expression, ExpressionWrapper
from django.db.models.functions import Now

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=6)
RENEWED_EVERY = 1.5  # seconds: three renewals may fail before the lease is another's
LOOK_AGAIN = 7  # whole seconds after which a dead holder's lease is over


class Held(Exception):
    """Another worker has it. Should that one die, its lease is over after LOOK_AGAIN."""


def until() -> Expression:
    return from_now(LEASE)


def from_now(time: timedelta) -> Expression:
    return ExpressionWrapper(Now() + time, output_field=DateTimeField())


@contextmanager
def kept(renew: Callable[[], object]) -> Iterator[None]:
    """Calls `renew` until the block ends, in a thread: the work itself may be one long statement or one slow answer."""
    ended = threading.Event()
    thread = threading.Thread(target=_renew, args=(renew, ended), name="lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _renew(renew: Callable[[], object], ended: threading.Event) -> None:
    try:
        while not ended.wait(RENEWED_EVERY):
            try:
                renew()
            except Error as error:
                logger.warning("a lease could not be renewed: %s", error)
                connections.close_all()  # of this thread: a broken connection stays broken
    finally:
        connections.close_all()
