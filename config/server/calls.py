"""Calls of the WSGI application: in the event loop when they are known to be short, otherwise in a thread.

A call in the loop saves the hand-over to a thread, which costs as much as all that the server does besides. While it
runs, its process does nothing else, but not while it waits for what it asks Redis or a database, for all calls that ask
it at the time (config.batch). What may wait for something else that is slow (a file, Keycloak, a
search) runs in one of a few threads altogether, and so does everything for a while after any call held up the loop.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context, copy_context
from functools import cached_property, partial
from typing import Any, TypeVar, cast
from urllib.parse import unquote

from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.db import close_old_connections, connections
from django.http import HttpResponse, StreamingHttpResponse
from prometheus_client import Counter

from config import batch
from config.cache import redis
from config.cache.pipe import Pipe
from config.data.postgres import patience

T = TypeVar("T")
Environ = dict[str, Any]
Response = HttpResponse | StreamingHttpResponse
Answered = Callable[[Response | Exception, Environ], None]

logger = logging.getLogger("server")

SLOW = 1.0  # seconds: more than a busy machine takes, less than any time-out
WARY = 5.0  # seconds after a slow call in which every call has a thread
SLOW_CALLS = Counter(
    "taskmill_slow_calls", "Calls that held up the event loop, after which all had a thread for a while"
)

# Some queries on indexes, through connections with time-outs. What is not named here has a thread.
_SHORT = ("/v1/tasks", "/v1/trash", "/v1/me", "/v1/notifications", "/v1/changes", "/livez")
_LONG_ALL_THE_SAME = ("/v1/tasks/bulk",)
_LONG_BY_QUERY = ("q=",)  # a search


class Calls:
    def __init__(self, application: WSGIHandler, threads: int) -> None:
        self._application = application
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="call")
        self._asking = ThreadPoolExecutor(_kinds(), thread_name_prefix="ask")
        self._batch = batch.Batch(self)
        self._wary_until = 0.0

    @cached_property
    def _loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    @cached_property
    def _pipes(self) -> dict[Any, Pipe]:
        """By what is asked in them, without a thread."""
        return {redis.ask_each: Pipe(self._loop)}

    def is_short(self, environ: Environ) -> bool:
        path, query = environ["PATH_INFO"], unquote(environ["QUERY_STRING"])
        return (
            path.startswith(_SHORT)
            and not path.startswith(_LONG_ALL_THE_SAME)
            and not any(name in query for name in _LONG_BY_QUERY)
            and not self.is_wary()
        )

    def is_wary(self) -> bool:
        """Whether a call was slow a moment ago."""
        return time.monotonic() < self._wary_until

    def here(self, calls: Sequence[tuple[Environ, Answered]]) -> None:
        """Makes their answers in the event loop itself, beside each other (config.batch), and hands each one on."""
        self._in_loop(copy_context().run, self._begin, calls)

    def _begin(self, calls: Sequence[tuple[Environ, Answered]]) -> None:
        _prepare()
        self._batch.begin([partial(self._one, *call) for call in calls])

    def _in_loop(self, work: Callable[..., object], *arguments: Any) -> None:
        started, loop = time.monotonic(), self._loop
        # Nothing else runs meanwhile, so this is no asynchronous code; Django's guards would take it for that.
        asyncio._set_running_loop(None)
        try:
            work(*arguments)
        finally:
            asyncio._set_running_loop(loop)
            if time.monotonic() - started > SLOW:
                SLOW_CALLS.inc()
                self._wary_until = time.monotonic() + WARY

    def meanwhile(self, together: Any, questions: Sequence[Any], then: Callable[[Sequence[Any]], None]) -> None:
        self._pipes[together].ask(questions, partial(self._in_loop, then))

    def later(self, seconds: float, work: Callable[[], None]) -> None:
        self._loop.call_later(seconds, self._in_loop, work)

    def elsewhere(self, contexts: Sequence[Context], work: Callable[[], T], then: Callable[[T], None]) -> None:
        self._asking.submit(copy_context().run, self._ask, contexts, work, then)

    def _ask(self, contexts: Sequence[Context], work: Callable[[], T], then: Callable[[T], None]) -> None:
        patience.wait_for(contexts)
        _tidy(close_old_connections)
        given = work()
        _tidy(_mend)
        self._loop.call_soon_threadsafe(self._in_loop, then, given)

    def _one(self, environ: Environ, answered: Answered) -> None:
        patience.begin_beside()
        try:
            answer: Response | Exception = self._answer(environ)
        except Exception as error:  # noqa: BLE001 (whatever it is, the client gets an answer)
            answer = error
        _mend()
        try:
            answered(answer, environ)
        except Exception:  # (the others of the turn must get theirs)
            logger.exception("an answer could not be given")

    async def in_thread(self, work: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, copy_context().run, work, *arguments)

    async def by_thread(self, environ: Environ) -> Response:
        started = time.monotonic()
        response = await self.in_thread(self.call, environ)
        if self._wary_until and time.monotonic() - started > SLOW:
            self._wary_until = max(self._wary_until, time.monotonic() + WARY)
        return response

    def call(self, environ: Environ) -> Response:
        _prepare()
        return self._answer(environ)

    def _answer(self, environ: Environ) -> Response:
        """Django's own. All that it does at the end of a request is done, unless the answer is a stream.

        Past `WSGIHandler.__call__`, which sets a prefix of all paths, that we never have, and lists the headers.
        """
        application = self._application
        response = cast(Response, application.get_response(application.request_class(environ)))
        if not response.streaming:
            response.close()
        return response


def _kinds() -> int:
    """Of long questions, each of which has one round on its way: writes, and those that try alone; and of each database
    pages and single tasks, those of admins by themselves. For each a thread, with connections of its own.
    """
    return 2 + 3 * (1 + len(settings.REPLICAS))


def _tidy(work: Callable[[], object]) -> None:
    """Who has asked must get his answer all the same."""
    try:
        work()
    except Exception:
        logger.exception("a connection could not be looked after")


def _prepare() -> None:
    patience.begin_call()
    close_old_connections()


def _mend() -> None:
    """After each call, for the next ones of the thread: they must not get a connection that was lost under it."""
    for connection in connections.all(initialized_only=True):
        if connection.errors_occurred:
            connection.close_if_unusable_or_obsolete()
