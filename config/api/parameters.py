"""Strict query parameters: an unknown, repeated or malformed one is 400 and named, never ignored."""

from collections.abc import Callable, Collection
from datetime import UTC, datetime
from typing import TypeVar
from uuid import UUID

from django.http import QueryDict

from config.api.problems import Problem

T = TypeVar("T")


def error(parameter: str, detail: str, code: str = "invalid") -> Problem:
    return Problem(
        "invalid-parameter",
        f"Query parameter {parameter}: {detail}",
        errors=[{"parameter": parameter, "code": code, "detail": detail}],
    )


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
    """RFC 3339 with an offset; ValueError otherwise."""
    if len(raw) < len("2026-01-01T00:00:00Z") or raw[10] not in "Tt":
        raise ValueError(raw)
    at = datetime.fromisoformat(raw.upper())
    if at.tzinfo is None:
        raise ValueError(raw)
    return at.astimezone(UTC)


def identifier(raw: str) -> UUID:
    """A lower-case UUID in its 36 character form; ValueError otherwise."""
    value = UUID(raw)
    if str(value) != raw:
        raise ValueError(raw)
    return value
