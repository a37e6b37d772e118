"""Redis for the request path: one connection a thread, short time-outs, a circuit breaker. What calls of a batch ask
goes through a connection of the event loop (config.cache.pipe).

The first failure opens the breaker: no call touches Redis again until a background probe has seen it answer.
So a dead or frozen Redis costs each thread one time-out at most, and then nothing.
What must reach Redis before this process believes it again (`owe`) is sent as soon as it answers.
A low-level `Connection` is used instead of the client class, which costs three times the CPU a call.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import cache
from itertools import islice
from typing import Any

import hiredis
import redis
from django.conf import settings
from prometheus_client import Counter, Gauge
from redis._parsers.hiredis import NOT_ENOUGH_DATA
from redis.connection import ConnectionPool
from redis.exceptions import NoScriptError, RedisError, ResponseError

from config import batch, sockets
from config.breaker import PROBE_EVERY, Breaker
from config.cache import sentinel
from config.cache.commands import Argument, Command

SETTLING = 2 * PROBE_EVERY  # seconds after which every process has seen that Redis is back
# Junk under one key concerns one caller; other error answers (OOM, READONLY, MISCONF…) concern everybody.
_ABOUT_THE_KEY = ("WRONGTYPE", "ERR ")

OPEN = Gauge("taskmill_redis_breaker_open", "1 while this process goes without Redis", multiprocess_mode="livemax")
FAILURES = Counter("taskmill_redis_failures", "Calls to Redis that failed or timed out")


class Unavailable(Exception):
    """Redis does not answer (or is left alone for the moment): go on without it."""


_local = threading.local()
_owed: "deque[tuple[Argument, ...]]" = deque()


@cache
def _pool() -> ConnectionPool:
    options = {
        "socket_timeout": settings.CACHE_TIMEOUT,
        "socket_connect_timeout": settings.CACHE_TIMEOUT,
        "retry": redis.retry.Retry(redis.backoff.NoBackoff(), 0),
    }
    make = sentinel.pool if settings.CACHE_URL.startswith(sentinel.SCHEME) else ConnectionPool.from_url
    return make(settings.CACHE_URL, **options)


def new_connection() -> Any:  # redis-py's connections are not typed
    """Made past the pool, which counts what it made and makes no more after a hundred: it misses who throws away."""
    pool = _pool()
    return pool.connection_class(**pool.connection_kwargs)


def connected() -> Any:
    connection = new_connection()
    connection.made_after = _breaker.back_at
    connection.connect()  # sending connects too, but past the question to the Sentinels
    return connection


def usable(connection: Any) -> bool:
    """False after Redis was restarted, or has closed an idle client: a new connection then fails no call.

    And after an outage: another Redis may have taken over.
    """
    return sockets.is_quiet(connection._sock.fileno()) and connection.made_after == _breaker.back_at


def call(*words: Argument) -> Any:
    """The answer to one command. Raises Unavailable, never a socket error."""
    return run(Command(words))


def run(command: Command) -> Any:
    return together([command])[0]


def together(commands: Sequence[Command]) -> list[Any]:
    """The answers to commands that travel in one round trip. Raises Unavailable when any of them fails."""
    return _checked(commands, _ask(commands))


def beside(commands: Sequence[Command]) -> list[Any]:
    """`together`, in one round trip with what other calls of the batch ask."""
    return _checked(commands, batch.ask(ask_each, commands))


def ask_each(questions: Sequence[Sequence[Command]]) -> list[list[Any]]:
    return apart(questions, _ask([command for commands in questions for command in commands]))


def apart(questions: Sequence[Sequence[Command]], answers: Iterable[Any]) -> list[list[Any]]:
    """The answers to each of them."""
    all_answers = iter(answers)
    return [list(islice(all_answers, len(commands))) for commands in questions]


def _checked(commands: Sequence[Command], answers: list[Any]) -> list[Any]:
    unknown = [number for number, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
    if unknown:
        for number, answer in zip(unknown, _ask([_by_source(commands[number]) for number in unknown]), strict=True):
            answers[number] = answer
    for answer in answers:
        if isinstance(answer, ResponseError):
            _refused(answer)
    return answers


def _by_source(command: Command) -> Command:
    _, _, *rest = command.words
    return Command(("EVAL", command.source, *rest))


def _ask(commands: Sequence[Command]) -> list[Any]:
    """The answers; one that is an error comes as its ResponseError, because the next ones must be read too."""
    if _breaker.is_open:
        raise Unavailable
    connection, _local.connection = getattr(_local, "connection", None), None
    try:
        if connection is None or not usable(connection):
            _drop(connection)
            connection = connected()
        connection._sock.sendall(packed(commands))
        answers: list[Any] = []
        while len(answers) < len(commands):
            connection._parser.read_from_socket()
            answers += received(connection)
    except (RedisError, OSError) as error:
        _drop(connection)  # half-read it would give this answer to the next question
        failed(error)
        raise Unavailable from error
    _local.connection = connection
    return answers


def _drop(connection: Any) -> None:
    if connection is not None:
        connection.disconnect()


def packed(commands: Sequence[Command]) -> bytes:
    """Past the connection's own packing and reading, which cost three times as much."""
    return b"".join([hiredis.pack_command(command.words) for command in commands])  # type: ignore[arg-type]


def received(connection: Any) -> list[Any]:
    """The answers that have come. One that is an error comes as its ResponseError."""
    answers: list[Any] = []
    while (answer := connection._parser._reader.gets(False)) is not NOT_ENOUGH_DATA:
        if isinstance(answer, redis.ConnectionError):  # it takes no commands: starts yet, has too many clients
            raise answer
        if not isinstance(answer, hiredis.PushNotification):
            answers.append(answer)
    return answers


def failed(error: Exception) -> None:
    FAILURES.inc()
    _breaker.trip(error)


def _refused(error: ResponseError) -> None:
    FAILURES.inc()
    if not str(error).startswith(_ABOUT_THE_KEY):
        _breaker.trip(error)
    raise Unavailable from error


def owe(*words: Argument) -> None:
    """A command without which Redis must not be believed: sent now, or when it is back, before anybody asks it."""
    if words not in _owed:
        _owed.append(words)
    try:
        _pay(call)
    except Unavailable:
        _breaker.hurry()  # another process, to which it may never have been away, believes it meanwhile


def _pay(send: Callable[..., Any]) -> None:
    while True:
        try:
            words = _owed.popleft()  # before it is sent: who owes it anew meanwhile owes it once more
        except IndexError:
            return
        try:
            send(*words)
        except (Unavailable, RedisError, OSError):
            _owed.appendleft(words)
            raise


def lately_back() -> bool:
    """Whether Redis was away a moment ago, so that another process may not have sent yet what it owes."""
    return time.monotonic() - _breaker.back_at < SETTLING


def available() -> bool:
    return not _breaker.is_open


def _answers() -> bool:
    connection = new_connection()

    def send(*words: Argument) -> Any:
        connection.send_command(*words)
        return connection.read_response()

    try:
        connection.connect()
        _pay(send)
        return bool(send("SET", "taskmill:probe", "1", "PX", 1000) == b"OK")  # a full Redis refuses writes
    except (RedisError, OSError):
        return False
    finally:
        connection.disconnect()


def _pay_the_rest() -> None:
    """What came to be owed between the probe's question and the moment in which calls may pass again."""
    with suppress(Unavailable):
        _pay(call)


def _new_breaker() -> Breaker:
    return Breaker("redis", _answers, tell=OPEN.set, closed=_pay_the_rest)


_breaker = _new_breaker()
