"""A value from elsewhere that is kept in the process, renewed in the background and served stale in an outage."""

import logging
import queue
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")
logger = logging.getLogger(__name__)


class Refreshed(Generic[T]):
    """What `load` last returned. At most one load runs at a time, in a thread of its own.

    A source that is slow or dead therefore costs a caller nothing, except when there is no value yet, or one
    older than `tolerate`: then a caller waits up to `wait` seconds for the load that is running. No load
    starts earlier than `pause` seconds after a good one, `retry_after` seconds after a failed one. All times
    are in seconds.
    """

    def __init__(
        self,
        load: Callable[[], T],
        *,
        errors: tuple[type[Exception], ...],
        every: float,
        tolerate: float,
        keep: float,
        pause: float,
        retry_after: float,
        wait: float,
    ) -> None:
        self._source, self._errors = load, errors
        self._every, self._tolerate, self._keep = every, tolerate, keep
        self._pause, self._retry_after, self._wait = pause, retry_after, wait
        self._lock = threading.Lock()
        self._loader: _Loader | None = None
        self.forget()

    def forget(self) -> None:
        """Start anew, as a new process does."""
        self._value: T | None = None
        self._loaded_at = self._next_try = float("-inf")
        self._load: _Load | None = None  # the one that runs
        if self._loader is not None:
            self._loader.asked.put(None)
        self._loader = None

    def get(self) -> T | None:
        """The value, or None when there was never one, or none newer than `keep`."""
        age = self.age()
        if age >= self._every:
            self.renew(self._wait if age >= self._tolerate else 0)
        return self._value if self.age() < self._keep else None

    def age(self) -> float:
        """Seconds since the last good load."""
        return time.monotonic() - self._loaded_at

    def renew(self, wait: float) -> None:
        """Start a load unless one runs or the last is too recent, and wait for the one that runs."""
        with self._lock:
            # After a fork the parent's thread is not alive here, so a child loads for itself.
            if self._loader is None or not self._loader.is_alive():
                self._loader, self._load = _Loader(), None
            load = self._load
            if load is None:
                if time.monotonic() < self._next_try:
                    return
                load = self._load = _Load(self._run)
                self._loader.asked.put(load)
        if wait > 0:
            load.ended.wait(wait)

    def _run(self, load: "_Load") -> None:
        value, pause = None, self._retry_after
        try:
            value, pause = self._source(), self._pause
        except self._errors as error:
            logger.warning("refresh failed", extra={"source": self._source.__qualname__, "error": repr(error)})
        finally:
            with self._lock:
                if self._load is load:  # not forgotten meanwhile
                    self._load, self._next_try = None, time.monotonic() + pause
                    if value is not None:
                        self._value, self._loaded_at = value, time.monotonic()


class _Load:
    def __init__(self, run: "Callable[[_Load], None]") -> None:
        self.run, self.ended = run, threading.Event()


class _Loader(threading.Thread):
    """One thread for all loads of a value: to start one holds up the call that wants it for milliseconds."""

    def __init__(self) -> None:
        super().__init__(name="refresh", daemon=True)
        self.asked: queue.SimpleQueue[_Load | None] = queue.SimpleQueue()
        self.start()

    def run(self) -> None:
        while (load := self.asked.get()) is not None:
            try:
                load.run(load)
            finally:
                load.ended.set()
