"""What the cache keeps of tasks: one by its id, and the first pages of a user's two hot lists.

An entry names what it is and to whom it may be shown; it is shown to nobody else, whatever key it was found under.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache, lru_cache
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from django.conf import settings
from django.http import HttpResponse

from accounts.principal import Principal
from config import batch
from config.cache import shelf
from config.cache.shelf import ITSELF, Decode, Look, Place, Read
from config.data import reading, statements
from config.data.snapshots import SEEN
from config.data.statements import Statement
from tasks_app.models import Task
from tasks_app.querysets import visible
from tasks_app.representation import as_json

# "My tasks" and "my active tasks", each in any page size. The query is a part of the answer (its `Link`).
_ACTIVE, _SIZE = "status=pending(?:,|%2C)in-progress", "page_size=(?:[1-9][0-9]?|100)"
_HOT = re.compile(f"|{_ACTIVE}|{_SIZE}|{_ACTIVE}&{_SIZE}")
_FROM = 'FROM "task"'
_FROM_ASKED = """
FROM unnest(%s::uuid[], %s::text[]) WITH ORDINALITY AS asked(task, reader, number), task_by_id(asked.task) AS task"""
_ANYBODY = Principal(
    id="anybody", username="", email="", roles=frozenset(), permissions=frozenset(), sid=None, issued_at=0,
    expires_at=0, client="",
)  # fmt: skip


class Kept(NamedTuple):
    version: int
    body: bytes


def place(task: UUID | str) -> Place | None:
    return Place(str(task), ITSELF) if settings.CACHE_TTL else None


def first_page(owner: str, query: str) -> Place | None:
    """Of the owner's list with this query string, if it is one that is kept."""
    return Place(owner, f"tasks?{query}") if settings.CACHE_TTL and _HOT.fullmatch(query) else None


def entry(values: Mapping[str, Any], body: bytes) -> bytes | None:
    """Of a task with these values (keyed by COLUMNS) and this JSON."""
    if not settings.CACHE_TTL:
        return None
    return _entry(values["id"], values["version"], values["owner_id"], values["assignee_id"], body)


def _entry(task: UUID | str, version: int, owner: str, assignee: str | None, body: bytes) -> bytes:
    return orjson.dumps([task, version, owner, assignee]) + b"\n" + body


def _of_entry(payload: bytes) -> tuple[list[Any], bytes]:
    head, _, body = payload.partition(b"\n")
    return orjson.loads(head), body


def _task_for(principal: Principal, identifier: str) -> Decode[Kept]:
    def decode(payload: bytes) -> Kept | None:
        (name, version, owner, assignee), body = _of_entry(payload)
        right = name == identifier and visible(principal, owner, assignee)
        return Kept(version, body) if right else None

    return decode


def task(principal: Principal, identifier: str, look: Look | None) -> Kept | None:
    """A living task (by its id in lower case) that the principal may see, else None: judged here for what was kept,
    else by the database.
    """

    def load() -> Read[Kept | None]:
        row = reading.read(lambda: _row(principal, UUID(identifier)))
        if row is None:
            return Read(None)
        version, owner, assignee, text, seen = row
        body = text.encode()
        return Read(Kept(version, body), seen, _entry(identifier, version, owner, assignee, body))

    return shelf.read(look, "task", _task_for(principal, identifier), load)


def _row(principal: Principal, identifier: UUID) -> Any:
    """(version, owner, assignee, JSON, seen) of a living task that the principal may see, or None."""
    rows = _rows(reading.alias(), principal.may("tasks:admin"))
    return batch.ask(rows, (identifier, principal.id), is_long=True)


@cache
def _rows(alias: str, reads_all: bool) -> Callable[[Sequence[tuple[UUID, str]]], list[Any]]:
    """What calls beside each other ask, in one statement: to plan one costs as much as to run it."""

    def read(asked: Sequence[tuple[UUID, str]]) -> list[Any]:
        tasks, callers = zip(*asked, strict=True)
        [rows] = statements.together([Statement(_statement(reads_all), [list(tasks), list(callers)])], using=alias)
        found = {number: row for *row, number in rows}
        return [found.get(number) for number in range(1, len(asked) + 1)]

    return read


@lru_cache(2)
def _statement(reads_all: bool) -> str:
    """The query as the ORM compiles it, once: that costs more than to run it. Its parameters are the tasks' ids and
    their readers' ids, and its last column tells which of them a row answers.

    `task_by_id` keeps its plan (docs/decisions/0013-lists-in-a-function.md).
    """
    anybody = replace(_ANYBODY, permissions=frozenset({"tasks:admin"} if reads_all else ()))
    found = Task.objects.visible_to(anybody).alive()
    sql, parameters = found.values_list("version", "owner_id", "assignee_id", as_json(), SEEN).query.sql_with_params()
    if sql.count(_FROM) != 1 or not set(parameters) <= {_ANYBODY.id}:
        raise AssertionError(f"who may see a task depends on more than the caller's id: {sql}")
    return sql.replace("%s", "asked.reader").replace(f" {_FROM}", f", asked.number {_FROM_ASKED}")


def _page_for(principal: Principal, query: str) -> Decode[HttpResponse]:
    def decode(payload: bytes) -> HttpResponse | None:
        (owner, kept_query, link), body = _of_entry(payload)
        if (owner, kept_query) != (principal.id, query):
            return None
        return HttpResponse(body, content_type="application/json", headers={"Link": link} if link else {})

    return decode


def page(
    principal: Principal, query: str, look: Look | None, load: Callable[[], tuple[HttpResponse, str]]
) -> HttpResponse:
    """The kept answer to `query`, or that of `load`, which also tells what it had seen."""
    if look is None:
        return load()[0]

    def read() -> Read[HttpResponse]:
        response, seen = load()
        head = orjson.dumps([principal.id, query, response.headers.get("Link")])
        return Read(response, seen, head + b"\n" + response.content)

    return shelf.read(look, "list", _page_for(principal, query), read)
