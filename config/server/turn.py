"""The calls that came in since the last turn of the event loop: they are answered beside each other (config.batch)."""

import asyncio
from collections import deque
from typing import Protocol

from config.batch import MOST  # calls; the others come in the next turn, after what else has happened
from config.server.calls import Calls, Environ, Response


class Asker(Protocol):
    def answered(self, response: Response | Exception, environ: Environ) -> None: ...

    def call_elsewhere(self, environ: Environ) -> None: ...


class Turn:
    def __init__(self, calls: Calls, loop: asyncio.AbstractEventLoop) -> None:
        self._calls, self._loop = calls, loop
        self._waiting: deque[tuple[Asker, Environ]] = deque()

    def add(self, asker: Asker, environ: Environ) -> None:
        if not self._waiting:
            self._loop.call_soon(self._run)
        self._waiting.append((asker, environ))

    def _run(self) -> None:
        some = [self._waiting.popleft() for _ in range(min(MOST, len(self._waiting)))]
        if self._waiting:
            self._loop.call_soon(self._run)
        if self._calls.is_wary():
            for asker, environ in some:
                asker.call_elsewhere(environ)
        else:
            self._calls.here([(environ, asker.answered) for asker, environ in some])
