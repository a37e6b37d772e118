"""Strict query parameters: an unknown, repeated or malformed one is 400 and named, never ignored."""

import re
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from typing import TypeVar
from urllib.parse import unquote_to_bytes
from uuid import UUID

from django.http import HttpRequest, QueryDict

from config.api.problems import Problem

T = TypeVar("T")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def error(parameter: str, detail: str, code: str = "invalid") -> Problem:
    return Problem(
        "invalid-parameter",
        f"Query parameter {parameter}: {detail}",
        errors=[{"parameter": parameter, "code": code, "detail": detail}],
    )


def check(request: HttpRequest, known: Collection[str], repeatable: Collection[str] = ()) -> None:
    """That the query names nothing else, and is text."""
    query = request.META.get("QUERY_STRING", "")
    if query:
        check_encoding(query)
        check_names(request.GET, known, repeatable)


def check_encoding(query_string: str) -> None:
    """Bytes that are not UTF-8 would be read as U+FFFD, and found nothing or the wrong thing."""
    try:
        unquote_to_bytes(query_string.encode("latin-1")).decode()  # WSGI hands bytes over as Latin-1
    except UnicodeDecodeError as problem:
        raise Problem("bad-request", "The query string is not UTF-8.") from problem


def check_names(query: QueryDict, known: Collection[str], repeatable: Collection[str] = ()) -> None:
    for name, values in query.lists():
        if name not in known:
            listed = ", ".join(sorted(known)) or "none"
            raise error(name, f"is not known here. Known: {listed}.", "unknown")
        if len(values) > 1 and name not in repeatable:
            raise error(name, "is given more than once.", "repeated")
        if any("\0" in value or (not value.isprintable() and not _encodable(value)) for value in values):
            raise error(name, "holds a character that no text can have.")


def _encodable(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def one(query: QueryDict, name: str, convert: Callable[[str], T], expected: str) -> T | None:
    """The value of a parameter, or None when it is not given."""
    raw = query.get(name)
    if raw is None:
        return None
    try:
        return convert(raw)
    except ValueError as problem:
        raise error(name, f"expected {expected}.") from problem


def choices(query: QueryDict, name: str, allowed: Collection[str]) -> list[str] | None:
    """A comma list of `allowed` words, each at most once."""
    raw = query.get(name)
    if raw is None:
        return None
    words = raw.split(",")
    for word in words:
        if word not in allowed:
            raise error(name, f"{word!r} is not one of {', '.join(allowed)}.")
    if len(set(words)) != len(words):
        raise error(name, "names an item twice.", "repeated")
    return words


def time(raw: str) -> datetime:
    """RFC 3339 §5.6 with an offset, in UTC; ValueError otherwise. (`fromisoformat` takes weeks and more.)"""
    if _TIME.fullmatch(raw) is None:
        raise ValueError(raw)
    try:
        return datetime.fromisoformat(raw.upper()).astimezone(UTC)
    except OverflowError as error:  # its offset takes it out of the years 1 to 9999
        raise ValueError(raw) from error


def identifier(raw: str) -> UUID:
    """A lower-case UUID in its 36 character form; ValueError otherwise."""
    value = UUID(raw)
    if str(value) != raw:
        raise ValueError(raw)
    return value
