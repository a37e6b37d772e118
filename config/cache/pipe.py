"""Redis for an event loop, which goes on while answers are on their way."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from django.conf import settings
from redis.exceptions import TimeoutError

from config import sockets
from config.cache import redis
from config.cache.commands import Command
from config.cache.redis import Unavailable

Told = Callable[[Sequence[list[Any] | Exception]], object]


class Pipe:
    """One connection, and one round of questions on its way: who asks waits until it was told."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._connection: Any = None
        self._told: Told | None = None  # of the round that is on its way
        self._timer: asyncio.TimerHandle | None = None

    def ask(self, questions: Sequence[Sequence[Command]], told: Told) -> None:
        """`told` gets what `redis.ask_each` would give, in a later step of the loop; Unavailable for each question when
        Redis does not answer.
        """
        if not redis.available():
            self._loop.call_soon(told, [Unavailable()] * len(questions))
            return
        commands = [command for asked in questions for command in asked]
        self._questions, self._told = questions, told
        self._answers, self._missing = list[Any](), len(commands)
        try:
            self._connect()
            self._connection._sock.sendall(redis.packed(commands))
        except Exception as error:  # noqa: BLE001 (whatever it is: who asks would wait for ever)
            self._loop.call_soon(self._fail, error)
        else:  # each step of connecting has a time of its own
            self._timer = self._loop.call_later(settings.CACHE_TIMEOUT, self._look)

    def _connect(self) -> None:
        if self._connection is not None and not redis.usable(self._connection):
            self._drop()
        if self._connection is None:
            self._connection = redis.connected()
            self._loop.add_reader(self._connection._sock, self._read)

    def _drop(self) -> None:
        if self._connection is not None:
            self._loop.remove_reader(self._connection._sock)
            self._connection.disconnect()
            self._connection = None

    def _read(self) -> None:
        if self._told is None:  # nobody has asked: Redis has closed an idle connection
            self._drop()
            return
        try:
            self._connection._parser.read_from_socket()
            self._answers += redis.received(self._connection)
        except Exception as error:  # noqa: BLE001 (as above)
            self._fail(error)
            return
        if len(self._answers) >= self._missing:
            self._end(redis.apart(self._questions, self._answers))

    def _look(self) -> None:
        """The time is over. A busy process may have been told long ago, and not have read it."""
        if sockets.is_quiet(self._connection._sock.fileno()):
            self._fail(TimeoutError("Redis did not answer in time."))
            return
        self._timer = self._loop.call_later(settings.CACHE_TIMEOUT, self._look)
        self._read()

    def _fail(self, error: Exception) -> None:
        try:
            self._drop()  # half-read it would give this answer to the next question
            redis.failed(error)
        finally:
            self._end([Unavailable()] * len(self._questions))

    def _end(self, answers: Sequence[list[Any] | Exception]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        told, self._told, self._timer = self._told, None, None
        self._questions, self._answers = (), []
        assert told is not None  # noqa: S101 (a round is on its way)
        told(answers)
