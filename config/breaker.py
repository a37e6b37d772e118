"""A circuit breaker: a server that does not answer is left alone until a probe in the background has seen it answer.

So an outage costs those who were asking when it began, and nobody after them. One probe runs at a time.
"""

import logging
import threading
import time
from collections.abc import Callable

logger = logging.getLogger(__name__)

PROBE_EVERY = 0.5  # seconds
_PROBE_REST = 0.02  # seconds between two probes at least


class Breaker:
    """`answers` asks the server and bounds its own wait. `closed` is called when calls may pass again, `tell` with
    1 and 0 when it opens and closes."""

    def __init__(
        self,
        name: str,
        answers: Callable[[], bool],
        *,
        tell: Callable[[float], object],
        closed: Callable[[], object] = lambda: None,
    ) -> None:
        self.name = name
        self._answers, self._tell, self._when_closed = answers, tell, closed
        self._closed = threading.Event()
        self._closed.set()
        self._probing = threading.Lock()
        self._hurry = threading.Event()
        self._trusted_until = self.back_at = float("-inf")  # by the monotonic clock

    @property
    def is_open(self) -> bool:
        return not self._closed.is_set()

    @property
    def is_probing(self) -> bool:
        return self._probing.locked()

    def trip(self, why: object) -> None:
        """Opens at once, for a failure that can mean nothing else."""
        if self._probing.acquire(blocking=False):
            self._open(why)
            self._start(why)

    def doubt(self, why: object) -> None:
        """Asks first, and opens only when no answer comes: one call may be slow for reasons of its own."""
        if time.monotonic() >= self._trusted_until and self._probing.acquire(blocking=False):
            self._start(why)

    def hurry(self) -> None:
        """The server is to be asked at once: somebody has something for it that cannot wait."""
        self._hurry.set()

    def _start(self, why: object) -> None:
        try:
            threading.Thread(target=self._probe, args=(why,), name=f"probe of {self.name}", daemon=True).start()
        except RuntimeError as error:  # no more threads: nobody would close it again
            logger.warning("%s cannot be probed", self.name, extra={"error": str(error)})
            self._closed.set()
            self._tell(0)
            self._probing.release()

    def _probe(self, why: object) -> None:
        try:
            while not self._answers():
                self._open(why)
                time.sleep(_PROBE_REST)
                self._hurry.wait(PROBE_EVERY - _PROBE_REST)
                self._hurry.clear()
            self._trusted_until = time.monotonic() + PROBE_EVERY
            if self.is_open:
                self._close()
        finally:
            self._probing.release()

    def _open(self, why: object) -> None:
        if not self.is_open:
            self._closed.clear()
            self._tell(1)
            logger.warning("%s left alone", self.name, extra={"error": str(why)})

    def _close(self) -> None:
        self.back_at = time.monotonic()
        self._closed.set()
        self._when_closed()
        self._tell(0)
        logger.info("%s is back", self.name)
