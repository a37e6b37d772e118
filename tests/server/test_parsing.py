"""The parser of requests is gunicorn's, with one look made quicker, and fields that come again taken as they were"""

from itertools import product
from typing import Any

from gunicorn.asgi.parser import CallbackRequest, ParseError, PythonProtocol

from config.server.parsing import PythonParser

_LINES = (
    *(b"GET /v1/tasks HTTP/1.1", b"GET /v1/tasks?q=%20a&b HTTP/1.1", b"GET http://host/x HTTP/1.1", b"GET * HTTP/1.1"),
    *(b"GET /a b HTTP/1.1", b"GET /\xff HTTP/1.1", b"GET / HTTP/1.0", b"GET / HTTP/2.0", b"get / HTTP/1.1", b"GET /"),
    *(b"HEAD / HTTP/1.1", b"POST / HTTP/1.1", b"", b"\r\nGET / HTTP/1.1", b"GET /" + b"x" * 200 + b" HTTP/1.1"),
    *(b"GET / HTTP/1.1\r\nGET / HTTP/1.1", b"GET / HTTP/1.1\n"),
)
_FIELDS = (
    b"Host: x\r\nAuthorization: Bearer abc\r\n\r\n",
    b"Host: x\r\nauthorization: Bearer abd\r\n\r\n",
    b"Host: x\r\nContent-Length: 0\r\n\r\n",
    b"Host: x\r\nContent-Length: 3\r\n\r\nabc",
    b"Host: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    *(b"Host: x\r\nConnection: close\r\n\r\n", b"Host: x\r\nConnection: keep-alive\r\n\r\n"),
    *(b"Host: x\r\nHost: y\r\n\r\n", b"Host: x\r\nBad\r\n\r\n", b"Host: x\r\n", b"\r\n", b""),
    b"Host: x\r\n\r\nGET /next HTTP/1.1\r\nHost: x\r\n\r\n",
    *(b"Host: x\r\nExpect: 100-continue\r\n\r\n", b"Host: x\r\nUpgrade: h2c\r\n\r\n"),
)


class _Seen:
    """What a server learns of the requests that a parser reads, one after the other on one connection."""

    def __init__(self, kind: Any) -> None:
        self.told: list[Any] = []
        self.parser = kind(
            on_headers_complete=self._head,
            on_body=self.told.append,
            on_message_complete=lambda: self.told.append("end"),
            limit_request_line=150,
        )

    def _head(self) -> bool:
        request = CallbackRequest.from_parser(self.parser)
        self.told.append([getattr(request, name) for name in CallbackRequest.__slots__])
        return False

    def read(self, *pieces: bytes) -> list[Any]:
        """Up to the end of a request, or what is wrong with it."""
        self.told.clear()
        try:
            for piece in pieces:
                self.parser.feed(piece)
        except ParseError as error:
            self.told.append(type(error))
        parser = self.parser
        state = (parser.is_complete, parser.should_keep_alive, parser.content_length, parser.is_chunked)
        self.told.append((*state, parser.remaining()))
        if parser.is_complete:
            parser.reset()
        return list(self.told)


def test_a_headers_value_is_refused_for_the_same_bytes_as_by_gunicorn() -> None:
    ours, theirs = PythonParser(), PythonProtocol()
    for byte in range(256):
        for value in (bytes([byte]), b"Bearer " + bytes([byte]) + b"ey"):
            assert ours._has_invalid_header_chars(value) == theirs._has_invalid_header_chars(value), value
    assert not ours._has_invalid_header_chars(b"")


def test_fields_that_come_again_mean_what_they_meant() -> None:
    requests = [b"\r\n".join(parts) for parts in product(_LINES, _FIELDS)]
    firsts = [b"GET /first HTTP/1.1\r\n" + fields for fields in _FIELDS]
    for first in (*firsts, b"\r\nGET / HTTP/1.1\r\n" + _FIELDS[0], b"POST / HTTP/1.1\r\n" + _FIELDS[0]):
        for request in requests:
            for pieces in _in_pieces(request):
                ours, theirs = _Seen(PythonParser), _Seen(PythonProtocol)
                for some in ([first], pieces, pieces):
                    expected = theirs.read(*some)
                    assert ours.read(*some) == expected, (first, pieces)
                    if not expected[-1][0]:
                        break  # refused, or incomplete: the connection ends, or waits


def _in_pieces(request: bytes) -> list[list[bytes]]:
    """As it comes, and as a part of another one."""
    inside = [
        [b"X", request],
        [b"GET /x HTTP/1.1\r\nX: ", request],
        [b"POST / HTTP/1.1\r\nContent-Length: 90\r\n\r\n", request],
    ]
    return [[request], [request[:30], request[30:]], [request[:-1], request[-1:]], *inside]


def test_fields_that_come_again_are_not_read_again() -> None:
    seen = _Seen(PythonParser)
    seen.read(b"GET /first HTTP/1.1\r\n" + _FIELDS[0])
    seen.parser._parse_headers = seen.parser._finalize_headers = None  # whatever calls them fails
    assert seen.read(b"GET /second HTTP/1.1\r\n" + _FIELDS[0])[0][1] == "/second"
