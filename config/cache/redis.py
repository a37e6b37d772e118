"""Redis for the request path: one connection a thread, short time-outs, a circuit breaker.

The first failure opens the breaker: no call touches Redis again until a background probe has seen it answer.
So a dead or frozen Redis costs each thread one time-out at most, and then nothing.
A low-level `Connection` is used instead of the client class, which costs three times the CPU a call.
"""

import logging
import threading
import time
from collections.abc import Sequence
from functools import cache
from hashlib import sha1
from typing import Any

import redis
from django.conf import settings
from prometheus_client import Counter, Gauge
from redis.connection import ConnectionPool
from redis.exceptions import NoScriptError, RedisError, ResponseError

from config import sockets

logger = logging.getLogger(__name__)

PROBE_EVERY = 0.5  # seconds
# Junk under one key concerns one caller; other error answers (OOM, READONLY, MISCONF…) concern everybody.
_ABOUT_THE_KEY = ("WRONGTYPE", "ERR ")

OPEN = Gauge("taskmill_redis_breaker_open", "1 while this process goes without Redis", multiprocess_mode="livemax")
FAILURES = Counter("taskmill_redis_failures", "Calls to Redis that failed or timed out")

Argument = str | bytes | int | float


class Unavailable(Exception):
    """Redis does not answer (or is left alone for the moment): go on without it."""


class Script:
    """A Lua script, sent by its digest and loaded on first use (or after a restart of Redis)."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.digest = sha1(source.encode(), usedforsecurity=False).hexdigest()

    def run(self, keys: Sequence[str], arguments: Sequence[Argument]) -> Any:
        rest = (len(keys), *keys, *arguments)
        try:
            return call("EVALSHA", self.digest, *rest)
        except NoScriptError:
            return call("EVAL", self.source, *rest)


_local = threading.local()
_closed = threading.Event()  # the breaker: set while calls may pass
_closed.set()
_probing = threading.Lock()


@cache
def _pool() -> ConnectionPool:
    return ConnectionPool.from_url(
        settings.CACHE_URL,
        socket_timeout=settings.CACHE_TIMEOUT,
        socket_connect_timeout=settings.CACHE_TIMEOUT,
        retry=redis.retry.Retry(redis.backoff.NoBackoff(), 0),
    )


def _new_connection() -> Any:  # redis-py's connections are not typed
    """Made past the pool, which counts what it made and makes no more after a hundred: it misses who throws away."""
    pool = _pool()
    return pool.connection_class(**pool.connection_kwargs)


def _connection() -> Any:
    connection = getattr(_local, "connection", None)
    if connection is None or not _usable(connection):
        connection = _local.connection = _new_connection()
    return connection


def _usable(connection: Any) -> bool:
    """False after Redis was restarted, or has closed an idle client: a new connection then fails no call."""
    if connection._sock is None or sockets.is_quiet(connection._sock.fileno()):
        return True
    connection.disconnect()
    return False


def call(*command: Argument) -> Any:
    """The answer to one command. Raises Unavailable, never a socket error; NoScriptError is the caller's."""
    if not _closed.is_set():
        raise Unavailable
    connection = _connection()
    try:
        connection.send_command(*command, check_health=False)
        return connection.read_response()
    except NoScriptError:
        raise
    except ResponseError as error:
        FAILURES.inc()
        if not str(error).startswith(_ABOUT_THE_KEY):
            _trip(error)
        raise Unavailable from error
    except (RedisError, OSError) as error:
        # A half-read connection would give this answer to the next question: throw it away.
        connection.disconnect()
        _local.connection = None
        FAILURES.inc()
        _trip(error)
        raise Unavailable from error


def available() -> bool:
    return _closed.is_set()


def _trip(error: Exception) -> None:
    if _probing.acquire(blocking=False):
        _closed.clear()
        OPEN.set(1)
        logger.warning("redis left alone", extra={"error": repr(error)})
        threading.Thread(target=_probe, name="redis-probe", daemon=True).start()


def _probe() -> None:
    try:
        while not _answers():
            time.sleep(PROBE_EVERY)
        _closed.set()
        OPEN.set(0)
        logger.info("redis is back")
    finally:
        _probing.release()


def _answers() -> bool:
    connection = _new_connection()
    try:
        connection.send_command("SET", "taskmill:probe", "1", "PX", 1000)  # a full Redis refuses writes
        return bool(connection.read_response() == b"OK")
    except (RedisError, OSError):
        return False
    finally:
        connection.disconnect()
