"""The parser of requests: gunicorn's in C where it is installed, else its parser in Python."""

import re
from typing import Any

from gunicorn.asgi.parser import PythonProtocol

__all__ = ["Parser"]
_REFUSED = bytes(set(range(0x20)) - {0x09}) + b"\x7f"  # of a header's value (RFC 9110 §5.5)
_GET = re.compile(rb"GET (/[\x21-\x7e]*) HTTP/1\.1")


class PythonParser(PythonProtocol):  # type: ignore[misc] # gunicorn has no types
    """A client that keeps its connection mostly asks with the very fields of its last request, which are then taken for
    what they were: to read them is more than a third of what HTTP costs of a call.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # Of the last GET: its fields as they were sent, and as they were read.
        self._again: tuple[bytes | None, list[tuple[bytes, bytes]]] = None, []

    def feed(self, data: bytes) -> None:
        if self._state != "request_line" or self._buffer:
            super().feed(data)
            return
        line, _, fields = data.partition(b"\r\n")
        get = _GET.fullmatch(line) if len(line) <= self._limit_request_line else None
        if get and fields == self._again[0]:
            self._take(get[1])
            return
        super().feed(data)
        if get and self._is_plain():
            self._again = fields, self.headers

    def _take(self, target: bytes) -> None:
        self.method, self.path, self.http_version = b"GET", target, (1, 1)
        self.headers = self._again[1]
        self._on_headers_complete()
        self._state, self.is_complete = "complete", True
        self._on_message_complete()

    def _is_plain(self) -> bool:
        """Whether the data was one whole request, without a body and with nothing said of the connection's end."""
        has_body = self.content_length is not None or self.is_chunked
        return self.is_complete and not self._buffer and not has_body and self.should_keep_alive

    def _has_invalid_header_chars(self, value: bytes) -> bool:
        """The same as gunicorn's, which looks at each byte in Python: which is most of what a token costs it."""
        return len(value.translate(None, _REFUSED)) != len(value)


try:
    from gunicorn_h1c import H1CProtocol as Parser
except ImportError:
    Parser = PythonParser
