"""What the server answers itself, before there is a request: problem documents (RFC 9457) like all others."""

import json
from http import HTTPStatus

from config.observability import context

_DETAILS = {
    HTTPStatus.REQUEST_TIMEOUT: "The request did not arrive within its time.",
    HTTPStatus.INTERNAL_SERVER_ERROR: "The server failed; the failure is in its log.",
}
_MALFORMED = "The request line, a header or the body's framing is malformed or too long."
# By name: gunicorn's two parsers have exceptions of the same names and of different classes.
_STATUSES = {
    "LimitRequestLine": HTTPStatus.REQUEST_URI_TOO_LONG,
    "LimitRequestHeaders": HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    "UnsupportedTransferCoding": HTTPStatus.NOT_IMPLEMENTED,
}


def status_of(error: Exception) -> HTTPStatus:
    """Of what a parser raised."""
    return _STATUSES.get(type(error).__name__, HTTPStatus.BAD_REQUEST)


def answer(status: HTTPStatus) -> bytes:
    """The whole answer, head and body. Nothing of what was sent is repeated."""
    request_id = context.new_request_id()
    problem = {
        "type": "/problems/bad-request" if status == HTTPStatus.BAD_REQUEST else "about:blank",
        "title": status.phrase,
        "status": status,
        "detail": _DETAILS.get(status, _MALFORMED),
        "instance": "/",
        "request_id": request_id,
    }
    body = json.dumps(problem)
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nConnection: close\r\nContent-Type: application/problem+json\r\n"
        f"Cache-Control: no-store\r\nX-Request-Id: {request_id}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return (head + body).encode("ascii")
