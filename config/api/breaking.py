"""What in the OpenAPI document of the code would break a client of the released one."""

from collections.abc import Iterator

from config.api.narrowing import Json, Narrowing

METHODS = {"get", "put", "post", "delete", "patch", "head", "options"}
KEPT_STATUSES = "23"  # a client relies on these; which refusal it gets may become more precise


def changes(released: Json, current: Json) -> Iterator[str]:
    """One line for each change that a client of `released` could notice as an error."""
    for path, methods in released["paths"].items():
        for method in sorted(methods.keys() & METHODS):
            here = Narrowing(released, current, f"{method.upper()} {path}")
            new = current["paths"].get(path, {}).get(method)
            yield from [here.says("is gone")] if new is None else _operation(here, methods[method], new)


def _operation(here: Narrowing, old: Json, new: Json) -> Iterator[str]:
    yield from _security(here, old, new)
    yield from _parameters(here, _by_place(old), _by_place(new))
    yield from _request(here.at("request"), old.get("requestBody", {}), new.get("requestBody", {}))
    for status, answer in old.get("responses", {}).items():
        if status[0] in KEPT_STATUSES:
            there = here.at(status, answer=True)
            found = new.get("responses", {}).get(status)
            yield from [there.says("is gone")] if found is None else _answer(there, answer, found)


def _security(here: Narrowing, old: Json, new: Json) -> Iterator[str]:
    before, after = _ways_in(here.released, old), _ways_in(here.current, new)
    if {} not in after:
        yield from (here.says(f"security {', '.join(way) or 'none'} is gone") for way in before if way not in after)


def _ways_in(document: Json, operation: Json) -> list[Json]:
    """The security alternatives; `{}` is none at all."""
    return operation.get("security", document.get("security")) or [{}]


def _by_place(operation: Json) -> Json:
    """The same name in another place is another parameter."""
    return {f"{found['in']} {found['name']}": found for found in operation.get("parameters", [])}


def _parameters(here: Narrowing, old: Json, new: Json) -> Iterator[str]:
    for name in old:
        there = here.at(name)
        if name not in new:
            yield there.says("is gone")
        else:
            yield from there.schema(old[name].get("schema", {}), new[name].get("schema", {}))
    for name, parameter in new.items():
        yield from _newly_required(here.at(name), old.get(name, {}), parameter)


def _newly_required(here: Narrowing, old: Json, new: Json) -> Iterator[str]:
    if new.get("required") and not old.get("required"):
        yield here.says("is required now")


def _request(here: Narrowing, old: Json, new: Json) -> Iterator[str]:
    yield from _newly_required(here, old, new)
    yield from _content(here, old, new)


def _answer(here: Narrowing, old: Json, new: Json) -> Iterator[str]:
    for name in sorted(old.get("headers", {}).keys() - new.get("headers", {}).keys()):
        yield here.at(f"header {name}").says("is gone")
    yield from _content(here, old, new)


def _content(here: Narrowing, old: Json, new: Json) -> Iterator[str]:
    for media, content in old.get("content", {}).items():
        if media not in new.get("content", {}):
            yield here.at(media).says("is gone")
        else:
            yield from here.schema(content.get("schema", {}), new["content"][media].get("schema", {}))
