"""An answer that waits for something, without a thread: a long poll.

A view that has nothing to say yet returns `Later(news, seconds)` where the server allows it (`is_allowed`); the server
awaits `news()` for at most so long and then calls the view once more, which must answer then. Elsewhere (gthread, the
test client) the view has to wait in its own thread.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from django.http import HttpRequest, HttpResponse


class Later(HttpResponse):
    ALLOWED = "taskmill.later"  # in a request's META
    status_code = 102

    def __init__(self, news: Callable[[], Coroutine[Any, Any, object]], seconds: float) -> None:
        super().__init__()
        self._news, self._seconds = news, seconds

    async def wait(self, is_leaving: asyncio.Event) -> None:
        """Until there is news, or the time is over, or the process wants to end."""
        waiting = {asyncio.ensure_future(self._news()), asyncio.ensure_future(is_leaving.wait())}
        try:
            await asyncio.wait(waiting, timeout=self._seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()


def is_allowed(request: HttpRequest) -> bool:
    return Later.ALLOWED in request.META
