"""gunicorn's worker that answers in its event loop: its ASGI worker's loop, signals and end, with our connections."""

import asyncio
import gc
import os
import socket
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from django.core.cache import close_caches
from django.core.handlers.base import reset_urlconf
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, connections, reset_queries
from gunicorn.workers.gasgi import ASGIWorker

from config.cache import shelf
from config.data.postgres import patience
from config.server.calls import Calls
from config.server.connection import Connection
from config.server.parsing import Parser
from config.server.reading import Reading
from config.server.turn import Turn

_LONGEST_LOOK = 0.1  # seconds for what another call reads, whose database may hang: then this one reads itself
# What Django does at both ends of a call: queries are kept for debugging only, connections are looked at once (Calls),
# our caches have nothing to close, and there is one set of URLs (config.wsgi).
_AT_EACH_CALL = (
    (request_started, reset_queries),
    (request_started, close_old_connections),
    (request_finished, close_old_connections),
    (request_finished, close_caches),
    (request_finished, reset_urlconf),
)
_EVERY = 1.0  # seconds between two looks at deadlines, and two signs of life


class Worker(ASGIWorker):  # type: ignore[misc] # gunicorn has no types
    calls: Calls
    turn: Turn
    alive: bool

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        """`threads` counts those for slow calls here; gunicorn's own would warn of it."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.connections: set[Reading] = set()
        self._opening = 0  # accepted, and no connection yet
        self.is_leaving = asyncio.Event()
        self.polls = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    def load_wsgi(self) -> None:
        patience.is_on, shelf.longest_wait = True, _LONGEST_LOOK
        for signal, receiver in _AT_EACH_CALL:
            signal.disconnect(receiver)
        # asgiref's own, in a process whose calls see no event loop, is this one at ten times the price.
        connections._connections = threading.local()  # type: ignore[attr-defined]
        self.calls = Calls(self.app.wsgi(), self.cfg.threads)
        _spare_the_collector()

    def new_parser(self, head: Callable[[], bool], piece: Callable[[bytes], None], end: Callable[[], None]) -> Any:
        return Parser(
            on_headers_complete=head,
            on_body=piece,
            on_message_complete=end,
            limit_request_line=self.cfg.limit_request_line,
            limit_request_fields=self.cfg.limit_request_fields,
            limit_request_field_size=self.cfg.limit_request_field_size,
        )

    def is_last(self) -> bool:
        """Counts an answer; true when its connection should not go on, because the worker will end."""
        self.nr += 1
        if self.nr >= self.max_requests and self.alive:
            self.log.info("Autorestarting worker after current request.")
            self.alive = False
        return not self.alive

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        task = self.loop.create_task(work)
        self._tasks.add(task)  # the loop itself keeps no reference
        task.add_done_callback(self._tasks.discard)

    async def _serve(self) -> None:
        self.turn = Turn(self.calls, self.loop)
        while self.alive and self.ppid == os.getppid():
            self._look()
            self._listen(not self._is_full())
            await asyncio.sleep(_EVERY)
        await self._leave()

    def _listen(self, wanted: bool) -> None:
        for listener in self.sockets:
            if wanted:
                self.loop.add_reader(listener.sock, self._accept, listener.sock)
            else:
                self.loop.remove_reader(listener.sock)

    def _accept(self, listener: socket.socket) -> None:
        """One connection at a time: who takes all that wait leaves none to workers that have nothing to do."""
        try:
            connection, _ = listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return  # another worker was quicker
        except OSError as error:
            self.log.warning("A connection could not be taken: %s", error)
            self._listen(False)  # until the next look: there are no file descriptors left
            return
        self._take(connection)
        if self._is_full():
            self._listen(False)

    def _is_full(self) -> bool:
        return len(self.connections) + self._opening >= int(self.worker_connections)

    def _accept_all(self, listener: socket.socket) -> None:
        """Who waits when the last worker closes the listener gets a reset, and a proxy must not repeat his POST."""
        with suppress(OSError):  # nobody waits any more
            while True:
                self._take(listener.accept()[0])

    def _take(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self._opening += 1
        self.start(self._open(connection))

    async def _open(self, connection: socket.socket) -> None:
        try:
            await self.loop.connect_accepted_socket(lambda: Connection(self), connection)
        except OSError:
            connection.close()
        finally:
            self._opening -= 1

    def _look(self) -> None:
        self.notify()
        now = self.loop.time()
        for connection in list(self.connections):
            if connection.deadline < now:
                connection.expire()

    async def _leave(self) -> None:
        """Answers what was asked. Connections get a moment for a last request, whose answer says that they end."""
        self._listen(False)
        for listener in self.sockets:
            self._accept_all(listener.sock)
            listener.close()
        self.is_leaving.set()
        await self._until_empty(_EVERY)
        for connection in list(self.connections):
            if connection.is_idle:
                connection.close()
        await self._until_empty(self.cfg.graceful_timeout)

    async def _until_empty(self, seconds: float) -> None:
        until = self.loop.time() + seconds
        # What was accepted a moment ago is no connection yet, but a task.
        while (self.connections or self._tasks) and self.loop.time() < until and not self._quick_shutdown:
            self._look()
            await asyncio.sleep(0.05)


def _spare_the_collector() -> None:
    """What is loaded stays, and calls leave few cycles: to look for them less often takes a twentieth of the CPU and a
    third of the slowest calls' time away, for some MB.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)
