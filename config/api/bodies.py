"""Strict JSON bodies: what is ambiguous or cannot be stored is refused, never repaired."""

import json
from collections.abc import Mapping
from typing import IO, Any

import orjson
from rest_framework.parsers import BaseParser

from config.api.problems import Problem


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


def loads(raw: bytes) -> Any:
    """The value of a JSON text in UTF-8. Raises Problem 400 on duplicate members, NaN, NUL, lone surrogates."""
    if not raw:
        raise Problem("invalid-body", "The body is empty: send a JSON object.")
    try:
        value = json.loads(raw.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise Problem("invalid-body", "The body is not UTF-8.") from error
    except RecursionError as error:
        raise Problem("invalid-body", "The body is nested too deeply.") from error
    except ValueError as error:
        raise Problem("invalid-body", f"The body is not valid JSON: {error}.") from error
    if b"\\u" in raw:
        _check_text(value)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"member {twice!r} stands twice")
    return members


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def _check_text(value: Any) -> None:
    """Escapes can spell what UTF-8 cannot: lone surrogates; and NUL, which PostgreSQL cannot store."""
    try:
        orjson.dumps(value)
    except TypeError as error:
        raise Problem("invalid-body", "The body holds a lone surrogate, which is not a character.") from error
    if _holds_nul(value):
        raise Problem("invalid-body", "The body holds the character NUL (\\u0000), which cannot be stored.")


def _holds_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(_holds_nul(item) for pair in value.items() for item in pair)
    return isinstance(value, list) and any(_holds_nul(item) for item in value)
