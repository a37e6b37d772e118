"""Strict JSON bodies: what is ambiguous or cannot be stored is refused, never repaired."""

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import IO, Any

import orjson
from django.conf import settings
from django.http import HttpRequest
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.request import Request

from config.api.problems import Problem

EXACT = 2**53  # whole numbers below it are the same number in every reader (RFC 7493 §2.2)


class Unreadable(Problem):
    """There is no body, or none that could be read: nobody knows what was asked for."""

    def __init__(self, detail: str) -> None:
        super().__init__("invalid-body", detail)


class JSONParser(BaseParser):
    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        return loads(stream.read())


class MergePatchParser(JSONParser):
    media_type = "application/merge-patch+json"  # RFC 7396


class Negotiation(DefaultContentNegotiation):
    """A body's media type as it stands: DRF takes `*/*` for any, and a merge patch for every method."""

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser | None:
        media_type = (request.content_type or "").partition(";")[0].strip().lower()
        if media_type == MergePatchParser.media_type and request.method != "PATCH":
            return None
        return next((parser for parser in parsers if parser.media_type == media_type), None)


def refusal(request: HttpRequest) -> Problem | None:
    """Why this body will not be read, judged from its headers alone; None when it may be."""
    meta = request.META
    if "HTTP_TRANSFER_ENCODING" in meta:
        return Problem("length-required")
    length = meta.get("CONTENT_LENGTH") or "0"
    if not (length.isascii() and length.isdigit()):
        return Problem("bad-request", "Content-Length is not a number.")
    if int(length) > settings.MAX_BODY_BYTES:
        return Problem("too-large", members={"limit": settings.MAX_BODY_BYTES})
    if meta.get("HTTP_CONTENT_ENCODING", "identity") != "identity":
        return Problem("unsupported-media-type", "Send the body without a Content-Encoding.")
    return None


def of(request: Request) -> Any:
    """The JSON value of a body that must be there; DRF takes a missing one for an empty object."""
    if request.stream is None:
        raise Unreadable("The body is empty: send a JSON object.")
    return request.data


def loads(raw: bytes) -> Any:
    """The value of a JSON text in UTF-8. Raises Problem 400 on duplicate members, NaN, NUL, lone surrogates."""
    if not raw:
        raise Unreadable("The body is empty: send a JSON object.")
    texts = _texts(raw)
    return texts if texts is not None else _careful(raw)


def _texts(raw: bytes) -> dict[str, str] | None:
    """The value of an object that plainly holds texts only, as most bodies do; None for all others.

    Without escapes there is no NUL, no surrogate and no quote in a text, and a member that stands twice leaves quotes.
    """
    if b"\\" in raw:
        return None
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    plain = type(value) is dict and all(type(member) is str for member in value.values())
    return value if plain and raw.count(b'"') == 4 * len(value) else None


def _careful(raw: bytes) -> Any:
    try:
        value = json.loads(
            raw.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_number
        )
    except UnicodeDecodeError as error:
        raise Unreadable("The body is not UTF-8.") from error
    except RecursionError as error:
        raise Unreadable("The body is nested too deeply.") from error
    except ValueError as error:
        raise Unreadable(f"The body is not valid JSON: {error}.") from error
    _check_writable(value)
    if b"\\u0000" in raw and _holds_nul(value):
        raise Unreadable("The body holds the character NUL (\\u0000), which cannot be stored.")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        counts = Counter(name for name, _ in pairs)  # one pass: there may be a hundred thousand
        twice = next(name for name, count in counts.items() if count > 1)
        raise ValueError(f"member {twice!r} stands twice")
    return members


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def _number(raw: str) -> float:
    """JSON has one type of numbers: 3.0 and 3e0 are 3, as far as floats can tell them."""
    value = float(raw)
    if math.isinf(value):
        raise ValueError(f"{raw[:20]} is larger than a number can be")
    return int(value) if value.is_integer() and abs(value) < EXACT else value


def _check_writable(value: Any) -> None:
    """What cannot be written as JSON again must not get in: a fingerprint or a message would fail on it later.

    Escapes can spell lone surrogates, numbers can have any length, and brackets any depth (254 are written).
    """
    try:
        orjson.dumps(value)
    except TypeError as error:
        what = str(error).lower()
        if "surrogate" in what:
            detail = "The body holds a lone surrogate, which is not a character."
        elif "integer" in what:
            detail = "The body holds a whole number of more than 64 bits."
        else:
            detail = "The body is nested too deeply."
        raise Unreadable(detail) from error


def _holds_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(_holds_nul(item) for pair in value.items() for item in pair)
    return isinstance(value, list) and any(_holds_nul(item) for item in value)
