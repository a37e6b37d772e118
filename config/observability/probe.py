"""A question to a dependency that may be frozen: it is asked in a thread of its own, and nobody waits for long."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from django.db import Error, connections

T = TypeVar("T")
logger = logging.getLogger(__name__)

FRESH = 1.0  # seconds for which an answer is repeated: a flood of probes costs one question
PATIENCE = 1.0  # seconds that a caller waits


class NoAnswer(Exception):
    """The dependency says nothing, or the question itself failed."""


class Probe(Generic[T]):
    """Asks at most one question at a time.

    The question gets connections of its own, closed afterwards: a request's connection must not wait here too.
    After a silence nobody waits again until there was an answer, so a frozen dependency costs one wait and not one
    for each probe.
    """

    def __init__(self, ask: Callable[[], T]) -> None:
        self._ask = ask
        self._lock = threading.Lock()
        self._idle = threading.Event()
        self._idle.set()
        self._silent = False
        self._asked_at = self._known_at = float("-inf")
        self._answer: T | NoAnswer = NoAnswer("not asked yet")

    def start(self) -> None:
        """Asks, unless the last answer is fresh or the last question still runs."""
        with self._lock:
            if not self._idle.is_set() or time.monotonic() - self._known_at < FRESH:
                return
            self._idle.clear()
            self._asked_at = time.monotonic()
        threading.Thread(target=self._run, name="probe", daemon=True).start()

    def answer(self) -> T:
        """The answer; raises NoAnswer. First comes `start`, on all that are wanted: so they run together."""
        left = self._asked_at + PATIENCE - time.monotonic()
        if not self._idle.wait(0.0 if self._silent else max(0.0, left)):
            self._silent = True
            raise NoAnswer("it does not answer")
        if isinstance(self._answer, NoAnswer):
            raise self._answer
        return self._answer

    def _run(self) -> None:
        try:
            self._answer = self._ask()
        except Error as error:
            self._answer = NoAnswer(type(error).__name__)
        except Exception as error:
            # A bug in the question is what its caller must hear, and no reason to fail the whole probe.
            logger.exception("probe failed")
            self._answer = NoAnswer(type(error).__name__)
        finally:
            connections.close_all()
            self._known_at = time.monotonic()
            self._silent = self._known_at - self._asked_at > PATIENCE
            self._idle.set()
