"""What one client's connection reads: requests one after the other, each whole before it is answered.

So a client that is slow to send holds up nobody: before its request is complete there is no call.
"""

import asyncio
import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from django.conf import settings
from gunicorn.asgi.parser import CallbackRequest

from config.server import refusals

if TYPE_CHECKING:
    from config.server.worker import Worker

logger = logging.getLogger("server")

FIRST_HEAD = 10.0  # seconds in which a new connection must have sent a head
BODY = 30.0  # seconds for a body
PIECE = 60.0  # seconds in which a client must take some of its answer
LINGER = 2.0  # seconds in which the rest of a refused body is thrown away, so that the refusal is not lost with it
_HELD = 65_536  # bytes that a client may send ahead


class Reading(asyncio.Protocol):
    def __init__(self, worker: "Worker") -> None:
        self._worker, self._loop = worker, worker.loop
        self._parser = worker.new_parser(self._head_complete, self._body_piece, self._request_complete)
        self._request: Any = None
        self._body: list[bytes] = []
        self._ahead = b""  # what was sent while a call runs
        self._is_complete = False  # the request, and it waits for its call
        self._is_busy = False  # with a call or a stream, in a task
        self._is_closing = False
        self.is_idle = True
        self.deadline = self._loop.time() + FIRST_HEAD

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._worker.connections.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._worker.connections.discard(self)
        self._is_closing = True

    def data_received(self, data: bytes) -> None:
        if self._is_closing:
            return
        if self._is_busy or self._is_complete:
            self._ahead += data
            if len(self._ahead) > _HELD:
                self._transport.pause_reading()
        else:
            self._feed(data)
            self._serve()

    def _serve(self) -> None:
        """Answers the request when it is complete and may be answered now."""
        raise NotImplementedError

    def _feed(self, data: bytes) -> None:
        self.is_idle = False
        try:
            self._parser.feed(data)
        except Exception as error:  # noqa: BLE001 (each of gunicorn's two parsers has a dozen of its own)
            logger.info("request refused", extra={"reason": type(error).__name__})
            self._refuse(refusals.status_of(error))

    def _head_complete(self) -> bool:
        self._request = request = CallbackRequest.from_parser(self._parser)
        if request.chunked or request.content_length > settings.MAX_BODY_BYTES:
            self._is_complete = True  # the application refuses it by its head (config.api.bodies.refusal)
        elif request.content_length:
            self.deadline = self._loop.time() + BODY
            if request._expect_100_continue:
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return False  # the parser need not skip the body

    def _body_piece(self, piece: bytes) -> None:
        if not self._is_complete:
            self._body.append(piece)

    def _request_complete(self) -> None:
        self._is_complete = True

    def _read_next(self) -> None:
        """The next request, which may have been sent already."""
        sent_ahead = self._parser.remaining() + self._ahead
        self._parser.reset()
        self._ahead, self.is_idle = b"", True
        self.deadline = self._loop.time() + self._worker.cfg.keepalive
        self._transport.resume_reading()
        if sent_ahead:
            self._feed(sent_ahead)
            self._loop.call_soon(self._serve)  # after other connections' turns

    def expire(self) -> None:
        """The deadline has passed."""
        if self._is_busy or self._is_closing:
            self._transport.abort()
        elif self.is_idle:
            self.close()
        else:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)

    def close(self) -> None:
        """What was written still goes out."""
        self._is_closing, self.deadline = True, self._loop.time() + PIECE
        self._transport.close()

    def _leave(self) -> None:
        """Closes after an answer; while a body is still on its way, not before the client has seen the answer."""
        if self._is_closing or self._parser.is_complete:
            self.close()
        else:
            self._is_closing, self.deadline = True, self._loop.time() + LINGER
            self._transport.write_eof()
            self._transport.resume_reading()  # which a client that sent much during the call has stopped

    def _refuse(self, status: HTTPStatus) -> None:
        self._is_complete = False
        self._transport.write(refusals.answer(status))
        self._leave()
