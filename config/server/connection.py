"""What one client's connection answers. What a client has not taken yet waits in the socket's buffer, and a stream
waits in its file: a slow client holds up nobody.
"""

import asyncio
import logging
import socket
import struct
from collections.abc import Coroutine
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from django.http import HttpResponse, StreamingHttpResponse

from config.server import environ as environs
from config.server import heads, reading
from config.server.calls import Environ, Response
from config.server.later import Later
from config.server.reading import Reading

if TYPE_CHECKING:
    from config.server.worker import Worker

logger = logging.getLogger("server")

_NEVER = float("inf")


class Connection(Reading):
    def __init__(self, worker: "Worker") -> None:
        super().__init__(worker)
        self._calls = worker.calls
        self._waiting: asyncio.Task[Any] | None = None  # for news
        self._is_called = False  # in a thread
        self._is_answered = False  # the request that was read last, or a part of it
        self._has_ended = False  # the client's own side
        self._writable = asyncio.Event()
        self._writable.set()

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._server, self._client = _address(transport, "sockname"), _address(transport, "peername")[0]

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self._writable.set()
        if self._waiting:
            self._waiting.cancel()

    def eof_received(self) -> bool:
        """Who ends only his own side gets the answer of a call that runs; who waits for news has hung up."""
        self._has_ended = True
        return self._is_called or self._is_complete

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()
        self._serve()

    def _serve(self) -> None:
        if not self._is_complete or self._is_busy or self._is_closing or not self._writable.is_set():
            return
        self._is_complete, self._is_answered, self.deadline = False, False, _NEVER
        environ = environs.of(self._request, b"".join(self._body), self._server, self._client)
        self._body = []
        self._call(environ)

    def _call(self, environ: Environ) -> None:
        self._is_busy = self._is_called = True
        if self._calls.is_short(environ):
            self._worker.turn.add(self, environ)
        else:
            self.call_elsewhere(environ)

    def call_elsewhere(self, environ: Environ) -> None:
        self._start(self._call_elsewhere(environ))

    async def _call_elsewhere(self, environ: Environ) -> None:
        self.answered(await self._calls.by_thread(environ), environ)

    def answered(self, response: Response | Exception, environ: Environ) -> None:
        self._is_busy = self._is_called = False
        try:
            if isinstance(response, Exception):
                self._fail(response)
            else:
                self._send(response, environ)
        except Exception as error:  # noqa: BLE001 (whatever it is, the client gets an answer)
            self._fail(error)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        self._is_busy = True
        self._worker.start(self._guarded(work))

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 (whatever it is, the client gets an answer)
            self._fail(error)

    async def _call_later(self, later: Later, environ: Environ) -> None:
        if self._has_ended:
            self.close()
        if self._is_closing:
            return
        self._waiting = asyncio.current_task()
        await later.wait(environ, self._worker.is_leaving)
        async with self._worker.polls:
            await asyncio.sleep(0)  # many may be told the same news at once: the calls of others come in between
        self._waiting = None
        self._call(environ)

    def _send(self, response: Response, environ: Environ) -> None:
        if self._is_closing:
            self._drop(response)
        elif isinstance(response, Later):
            self._start(self._call_later(response, environ))
        else:
            closes = self._closes_after(response)
            self._write(heads.of(response, closes=closes, version=self._request.version), response, closes)

    def _closes_after(self, response: Response) -> bool:
        return (
            self._worker.is_last()
            or self._request.should_close()
            or (self._has_ended and not self._ahead and not self._parser.remaining())
            or not self._parser.is_complete
            or self._parser.remaining_truncated
            or not (isinstance(response, HttpResponse) or response.has_header("Content-Length"))
        )

    def _drop(self, response: Response) -> None:
        """What is no stream was closed with its call. Never in the loop: a stream closes its file."""
        if response.streaming:
            self._worker.start(self._calls.in_thread(response.close))

    def _write(self, head: bytes, response: Response, closes: bool) -> None:
        self._is_answered = True
        if self._request.method == "HEAD" or response.status_code in heads.WITHOUT_BODY:
            self._transport.write(head)
            self._drop(response)
        elif isinstance(response, HttpResponse):
            self._transport.write(head + response.content)
        else:
            self._transport.write(head)
            self._start(self._stream(response, closes))
            return
        self._next(closes)

    async def _stream(self, response: StreamingHttpResponse, closes: bool) -> None:
        """Piece by piece, each when the client has taken the one before; a client that has left gets no more."""
        try:
            pieces = iter(response)
            while not self._is_closing and (piece := await self._calls.in_thread(next, pieces, None)) is not None:
                self.deadline = self._loop.time() + reading.PIECE
                self._transport.write(piece)
                await self._writable.wait()
        except Exception:
            logger.exception("a stream broke off")
            closes, self._is_closing = True, True
            self._reset()  # an orderly end could pass for the whole
        finally:
            await self._calls.in_thread(response.close)
        self._is_busy = False
        self._next(closes)

    def _reset(self) -> None:
        """Not by `abort` alone, which ends a connection in order unless the client had sent more."""
        self._transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        self._transport.abort()

    def _next(self, closes: bool) -> None:
        if closes or self._is_closing:
            self._leave()
        else:
            self._read_next()

    def _fail(self, error: Exception) -> None:
        """Outside of Django, which answers each exception of a view."""
        logger.error("a call failed in the server", exc_info=error)
        if self._is_answered:  # a second answer would pass for that of the next request
            self._is_closing = True
            self._reset()
        else:
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR)


def _address(transport: Any, name: str) -> tuple[str, str]:
    found = transport.get_extra_info(name)
    return (str(found[0]), str(found[1])) if isinstance(found, tuple) else ("", "")  # a Unix socket has none
