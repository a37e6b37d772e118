"""What the cache keeps of tasks: one by its id, and the first pages of a user's two hot lists.

An entry names what it is and to whom it may be shown; it is shown to nobody else, whatever key it was found under.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from django.conf import settings
from django.http import HttpResponse

from accounts.principal import Principal
from config.cache import shelf
from config.cache.shelf import ITSELF, Look, Place, Read
from config.data import reading
from config.data.snapshots import SEEN
from tasks_app.models import Task
from tasks_app.querysets import visible
from tasks_app.representation import as_json

# "My tasks" and "my active tasks", each in any page size. The query is a part of the answer (its `Link`).
_ACTIVE, _SIZE = "status=pending(?:,|%2C)in-progress", "page_size=(?:[1-9][0-9]?|100)"
_HOT = re.compile(f"|{_ACTIVE}|{_SIZE}|{_ACTIVE}&{_SIZE}")


class Kept(NamedTuple):
    version: int
    body: bytes


def place(task: UUID) -> Place | None:
    return Place(str(task), ITSELF) if settings.CACHE_TTL else None


def first_page(owner: str, query: str) -> Place | None:
    """Of the owner's list with this query string, if it is one that is kept."""
    return Place(owner, f"tasks?{query}") if settings.CACHE_TTL and _HOT.fullmatch(query) else None


def entry(values: Mapping[str, Any], body: bytes) -> bytes | None:
    """Of a task with these values (keyed by COLUMNS) and this JSON."""
    if not settings.CACHE_TTL:
        return None
    return _entry(values["id"], values["version"], values["owner_id"], values["assignee_id"], body)


def _entry(task: UUID, version: int, owner: str, assignee: str | None, body: bytes) -> bytes:
    return orjson.dumps([task, version, owner, assignee]) + b"\n" + body


def _of_entry(payload: bytes) -> tuple[list[Any], bytes]:
    head, _, body = payload.partition(b"\n")
    return orjson.loads(head), body


def task(principal: Principal, identifier: UUID, look: Look | None) -> Kept | None:
    """A living task that the principal may see, else None: judged here for what was kept, else by the database."""

    def decode(payload: bytes) -> Kept | None:
        (name, version, owner, assignee), body = _of_entry(payload)
        right = name == str(identifier) and visible(principal, owner, assignee)
        return Kept(version, body) if right else None

    def load() -> Read[Kept | None]:
        found = Task.objects.visible_to(principal).alive().filter(id=identifier)
        row = reading.read(found.values_list("version", "owner_id", "assignee_id", as_json(), SEEN).first)
        if row is None:
            return Read(None)
        version, owner, assignee, text, seen = row
        body = text.encode()
        return Read(Kept(version, body), seen, _entry(identifier, version, owner, assignee, body))

    return shelf.read(look, "task", decode, load)


def page(
    principal: Principal, query: str, look: Look | None, load: Callable[[], tuple[HttpResponse, str | None]]
) -> HttpResponse:
    """The kept answer to `query`, or that of `load`, which also tells what it had seen (None: it is not to be kept)."""

    def decode(payload: bytes) -> HttpResponse | None:
        (owner, kept_query, link), body = _of_entry(payload)
        if (owner, kept_query) != (principal.id, query):
            return None
        return HttpResponse(body, content_type="application/json", headers={"Link": link} if link else {})

    def read() -> Read[HttpResponse]:
        response, seen = load()
        head = orjson.dumps([principal.id, query, response.headers.get("Link")])
        return Read(response, seen, head + b"\n" + response.content)

    return shelf.read(look, "list", decode, read)
