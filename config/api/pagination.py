"""Keyset pages. A cursor is opaque, signed, and bound to the principal and to the list's filters and sort."""

import base64
import hmac
from collections.abc import Callable, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Any, TypeVar
from urllib.parse import urlencode

import orjson
from django.conf import settings
from django.http import HttpRequest, HttpResponse, QueryDict
from rest_framework.request import Request

from config.api import parameters
from config.api.caller import caller
from config.api.problems import Problem
from config.data import reading

T = TypeVar("T")

DEFAULT_SIZE, MAX_SIZE = 50, 100
NAMES = frozenset({"page_size", "cursor"})
_UNBOUND = NAMES | {"fields"}  # what does not change which rows there are, or their order
_SIGNATURE_BYTES = 16


def page_size(query: QueryDict) -> int:
    def convert(raw: str) -> int:
        if not (raw.isascii() and raw.isdigit() and len(raw) <= len("100") and 1 <= int(raw) <= MAX_SIZE):
            raise ValueError(raw)
        return int(raw)

    return parameters.one(query, "page_size", convert, f"1 to {MAX_SIZE}") or DEFAULT_SIZE


def encode(principal: str, kind: str, position: Sequence[Any]) -> str:
    """A cursor behind `position` in the list `kind` (its name with all filters and the sort)."""
    payload = orjson.dumps(list(position))
    return base64.urlsafe_b64encode(_sign(principal, kind, payload) + payload).rstrip(b"=").decode()


def decode(principal: str, kind: str, cursor: str) -> list[Any]:
    """The position that `encode` was given. Raises Problem 400 for anything else."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except ValueError as error:
        raise _invalid() from error
    if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != cursor:
        raise _invalid()  # another spelling of the same bytes
    signature, payload = raw[:_SIGNATURE_BYTES], raw[_SIGNATURE_BYTES:]
    if not hmac.compare_digest(signature, _sign(principal, kind, payload)):
        raise _invalid()
    position: list[Any] = orjson.loads(payload)
    return position


def position(principal: str, kind: str, query: QueryDict) -> list[Any] | None:
    """Where the page begins: the position in the query's cursor, None for the first page."""
    cursor = query.get("cursor")
    return None if cursor is None else decode(principal, kind, cursor)


def _invalid() -> Problem:
    detail = "is not a cursor of this list, filter and sort for you: start again without it."
    return Problem(
        "invalid-cursor",
        f"Query parameter cursor: {detail}",
        errors=[{"parameter": "cursor", "code": "invalid", "detail": detail}],
    )


def _sign(principal: str, kind: str, payload: bytes) -> bytes:
    text = orjson.dumps([principal, kind]) + payload
    return blake2b(text, key=_key(settings.SECRET_KEY), digest_size=_SIGNATURE_BYTES).digest()


@lru_cache(1)
def _key(secret: str) -> bytes:
    return blake2b(secret.encode(), digest_size=32, person=b"cursor").digest()


def kind(name: str, query: QueryDict) -> str:
    """Names a list with everything that a cursor is bound to."""
    return f"{urlencode(_bound(query))}#{name}"


def _bound(query: QueryDict) -> list[tuple[str, str]]:
    return sorted((key, value) for key, values in query.lists() if key not in _UNBOUND for value in values)


def page(
    request: Request,
    name: str,
    fetch: Callable[[list[Any] | None, int], Sequence[T]],
    place: Callable[[T], Sequence[Any]],
    render: Callable[[T], bytes | str],
) -> HttpResponse:
    """One page of the list `name`, read where this request may read.

    `fetch(position, size)` gives up to `size` + 1 rows behind the position (None: from the start); the last one
    only tells that there is more. `place` is a row's position, `render` its JSON.
    """
    query, principal = request.query_params, caller(request).id
    size, list_kind = page_size(query), kind(name, query)
    start = position(principal, list_kind, query)
    rows = reading.read(lambda: fetch(start, size))
    next_cursor = encode(principal, list_kind, place(rows[size - 1])) if len(rows) > size else None
    return respond(request._request, [render(row) for row in rows[:size]], next_cursor)


def respond(request: HttpRequest, rows: Sequence[bytes | str], next_cursor: str | None, **members: Any) -> HttpResponse:
    """The envelope around rows that are already JSON, with `Link: <…>; rel="next"` (RFC 8288)."""
    joined = b",".join(row if isinstance(row, bytes) else row.encode() for row in rows)
    after = orjson.dumps({"next_cursor": next_cursor, **members})[1:]
    body = b'{"results":[' + joined + b"]," + after
    response = HttpResponse(body, content_type="application/json")
    if next_cursor is not None:
        query = {**dict(request.GET.lists()), "cursor": [next_cursor]}
        response.headers["Link"] = f'<{request.path}?{urlencode(query, doseq=True)}>; rel="next"'
    return response
