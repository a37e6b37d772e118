"""A tiny application that does on demand what is hard to bring about in the real one, for the real server."""

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import Any

from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.core.signals import request_finished
from django.http import HttpResponse, StreamingHttpResponse

from config.cache import shelf
from config.server import calls, later, reading
from config.server.later import Later

PIECE = b"x" * 100_000
PIECES = 200
taken = 0  # pieces that the server has asked for


def _pieces(broken: bool) -> Iterator[bytes]:
    global taken  # noqa: PLW0603
    for _ in range(PIECES):
        taken += 1
        if broken and taken > 3:
            raise OSError("the disk is gone")
        yield PIECE


def _stream(request: WSGIRequest, broken: bool = False) -> StreamingHttpResponse:
    global taken  # noqa: PLW0603
    taken = 0
    headers = {} if "endless" in request.GET else {"Content-Length": str(PIECES * len(PIECE))}
    return StreamingHttpResponse(_pieces(broken), headers=headers)


def _sleep(request: WSGIRequest) -> HttpResponse:
    time.sleep(float(request.GET["seconds"]))
    return HttpResponse("slept")


waiting = told = 0
_woken = asyncio.Event()
calls.SLOW = float(os.environ.get("TEST_SLOW", calls.SLOW))
if SECONDS := float(os.environ.get("TEST_DEADLINES", "0")):
    reading.FIRST_HEAD = reading.BODY = reading.PIECE = SECONDS


async def _news(seconds: float) -> str:
    global waiting  # noqa: PLW0603
    waiting += 1
    try:
        await (asyncio.sleep(seconds) if seconds else _woken.wait())
    finally:
        waiting -= 1
    return "news"


def _poll(request: WSGIRequest) -> HttpResponse:
    """Waits as often as it is told to, each time for so long (0: until it is woken)."""
    global told  # noqa: PLW0603
    before = later.before(request)
    rounds = before.kept["rounds"] - 1 if before else int(request.GET.get("rounds", 1))
    if rounds and (before is None or before.news):
        return Later(partial(_news, float(request.GET["seconds"])), time.monotonic() + 100, rounds=rounds)
    told += 1
    return HttpResponse(before.news or "nothing" if before else "at once")


def _wake(request: WSGIRequest) -> HttpResponse:
    global _woken  # noqa: PLW0603
    _woken.set()
    _woken = asyncio.Event()
    return HttpResponse("woken")


def _tell(request: WSGIRequest) -> HttpResponse:
    told = [f"{name}={value}" for name, value in request.META.items() if name.startswith("HTTP_")]
    return HttpResponse(f"{request.method} {request.path} {request.META['HTTP_HOST']} {request.read().decode()} {told}")


def _look_at_connections(**_: Any) -> None:
    """As Django does with its databases', which it refuses to do in an event loop."""
    with suppress(RuntimeError):
        asyncio.get_running_loop()
        print('{"event": "connections looked at in the loop"}', flush=True)  # noqa: T201


request_finished.connect(_look_at_connections)
_ANSWERS: dict[str, Any] = {
    "/livez": lambda request: HttpResponse("alive"),
    "/v1/tasks/sleep": _sleep,  # in the loop
    "/sleep": _sleep,  # in a thread
    "/v1/changes": _poll,
    "/v1/tasks/wake": _wake,
    "/v1/tasks/told": lambda request: HttpResponse(str(told)),
    "/waiting": lambda request: HttpResponse(str(waiting)),
    "/v1/tasks/empty": lambda request: HttpResponse(status=204),
    "/stream": _stream,
    "/broken": lambda request: _stream(request, broken=True),
    "/taken": lambda request: HttpResponse(str(taken)),
    "/patience": lambda request: HttpResponse(str(shelf.longest_wait)),
    "/v1/tasks/tell": _tell,
    "/v1/tasks/fail": lambda request: 1 / 0,
}


class Application(WSGIHandler):
    def load_middleware(self, is_async: bool = False) -> None:
        """None of the real one's."""

    def get_response(self, request: Any) -> Any:
        return _ANSWERS[request.path](request)


application = Application()
