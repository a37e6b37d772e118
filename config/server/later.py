"""An answer that waits for something, without a thread: a long poll.

A view that has nothing to say yet returns `Later(news, until, …)`. The server awaits `news()`, for which no thread and
no connection is held, and calls the application again, until it answers something else. It is one call all the same:
`before(request)` is the `Later` of the time before, with what was kept in it and what the news were. Without any
it must answer now.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest, HttpResponse, HttpResponseBase

_BEFORE = "taskmill.before"  # in a request's META
_BY_SERVER = "taskmill.waits"
OF_SERVER = {_BY_SERVER: True}  # what a server that awaits puts there

Environ = dict[str, Any]


class Later(HttpResponse):
    status_code = 102  # which nobody sees

    def __init__(self, news: Callable[[], Coroutine[Any, Any, Any]], until: float, **kept: Any) -> None:
        """`until` is a time of `time.monotonic`."""
        super().__init__()
        self.until, self.kept = until, kept
        self.news: Any = None
        self._news = news

    async def wait(self, environ: Environ, is_leaving: asyncio.Event | None = None) -> None:
        """Until there is news, or the time is over, or the process wants to end; `environ` tells the next call."""
        news, *others = [
            asyncio.ensure_future(work) for work in (self._news(), *([is_leaving.wait()] if is_leaving else ()))
        ]
        try:
            seconds = max(0, self.until - time.monotonic())
            await asyncio.wait([news, *others], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            self.news = news.result() if news.done() else None
        finally:
            for work in (news, *others):
                work.cancel()
        environ[_BEFORE] = self


def before(request: HttpRequest) -> Later | None:
    """The answer before, of a call that waited."""
    found: Later | None = request.META.get(_BEFORE)
    return found


class LaterMiddleware:
    """Waits in the caller's thread where no server does: under other workers than ours, and in tests."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: WSGIRequest) -> HttpResponseBase:
        response = self.get_response(request)
        while isinstance(response, Later) and _BY_SERVER not in request.META:
            response.close()
            asyncio.run(response.wait(request.META))
            response = self.get_response(type(request)(request.META))
        return response
