"""Whether a schema of an OpenAPI document changed so that a client of the old one breaks.

One rule, read in two directions: a request may still hold all that it could, an answer holds nothing that it could
not. So the question is whether every `given` value is `allowed`: of a request the old schema gives and the new one
allows, of an answer the new one gives and the old one allows. Members are more than that: none that was there may go,
since what a request holds that is not known is refused.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

Json = dict[str, Any]
AT_MOST = ("maxLength", "maximum", "exclusiveMaximum", "maxItems", "maxProperties")
AT_LEAST = ("minLength", "minimum", "exclusiveMinimum", "minItems", "minProperties")
SAME = ("format", "pattern", "const", "uniqueItems")
CHOICES = ("oneOf", "anyOf")
ALL_TYPES = ("array", "boolean", "null", "number", "object", "string")


@dataclass(frozen=True)
class Narrowing:
    """Compares the schemas at one place of two documents."""

    released: Json
    current: Json
    where: str
    answer: bool = False
    within: tuple[str, ...] = ()  # the references that led here: one that holds itself is compared once

    def at(self, name: str, **more: Any) -> "Narrowing":
        return replace(self, where=f"{self.where} {name}", **more)

    def says(self, text: str) -> str:
        return f"{self.where}: {text}"

    def schema(self, old: Json, new: Json) -> Iterator[str]:
        reference = str(old.get("$ref", ""))
        if reference in self.within:
            return
        here = replace(self, within=(*self.within, reference)) if reference else self
        old, new = _plain(self.released, old), _plain(self.current, new)
        yield from here._value(old, new)
        yield from here._choices(old, new)
        yield from here._members(old, new)
        for name in ("items", "additionalProperties"):
            if isinstance(old.get(name), dict) and isinstance(new.get(name), dict):
                yield from here.at(name).schema(old[name], new[name])

    def _ordered(self, old: Json, new: Json) -> tuple[Json, Json]:
        """(given, allowed)"""
        return (new, old) if self.answer else (old, new)

    def _value(self, old: Json, new: Json) -> Iterator[str]:
        for name in _misfits(*self._ordered(old, new)):
            yield self.says(f"{name} was {old.get(name)}, is {new.get(name)}")
        if not self.answer and old.get("default") != new.get("default"):
            yield self.says(f"default was {old.get('default')}, is {new.get('default')}")

    def _choices(self, old: Json, new: Json) -> Iterator[str]:
        given, allowed = self._ordered(old, new)
        for name in CHOICES:
            if name in given or name in allowed:
                others = allowed.get(name, [allowed])
                if not all(self._fits_one(choice, others) for choice in given.get(name, [given])):
                    yield self.says(f"{name} changed")

    def _fits_one(self, choice: Json, others: list[Json]) -> bool:
        return any(not list(self.schema(*self._ordered(choice, other))) for other in others)

    def _members(self, old: Json, new: Json) -> Iterator[str]:
        before, after = old.get("properties", {}), new.get("properties", {})
        for name in before:
            here = self.at(name)
            yield from here.schema(before[name], after[name]) if name in after else [here.says("is gone")]
        given, allowed = self._ordered(old, new)
        for name in sorted({*allowed.get("required", ())} - {*given.get("required", ())}):
            yield self.at(name).says("may be missing now" if self.answer else "is required now")


def _misfits(given: Json, allowed: Json) -> Iterator[str]:
    """The keywords by which `allowed` refuses something that `given` does not."""
    if not _types(given) <= _types(allowed):
        yield "type"
    if "enum" in allowed and not ("enum" in given and all(value in allowed["enum"] for value in given["enum"])):
        yield "enum"
    yield from (name for name in SAME if name in allowed and given.get(name) != allowed[name])
    yield from (name for name in AT_MOST if name in allowed and not (name in given and given[name] <= allowed[name]))
    yield from (name for name in AT_LEAST if name in allowed and not (name in given and given[name] >= allowed[name]))


def _types(schema: Json) -> set[str]:
    """All where none is named; an integer is a number too."""
    named = schema.get("type", ALL_TYPES)
    types = {named} if isinstance(named, str) else {*named}
    return types | {"integer"} if "number" in types else types


def _plain(document: Json, schema: Json) -> Json:
    """Without references: those of the document are followed, and what `allOf` says is put together."""
    parts = list(schema.get("allOf", []))
    if "$ref" in schema:
        parts.append(document["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    plain: Json = {}
    for part in (*(_plain(document, part) for part in parts), schema):
        properties = {**plain.get("properties", {}), **part.get("properties", {})}
        required = [*plain.get("required", []), *part.get("required", [])]
        plain = {**plain, **part, "properties": properties, "required": required}
    return plain
