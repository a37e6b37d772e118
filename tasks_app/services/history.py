"""A task's events as its history."""

from typing import Any
from uuid import UUID

import orjson
from django.db.models import F, Q

from config.events.models import Event
from tasks_app.representation import plain

FIELDS = ("id", "type", "version", "at", "actor", "request_id", "changes")


def page(task: UUID, position: list[Any] | None, size: int) -> list[dict[str, Any]]:
    """`size` + 1 events behind `position` in the order of the log, oldest first."""
    events = Event.objects.filter(subject=task)
    if position is not None:
        xid, identifier = position
        events = events.filter(Q(xid__gt=xid) | Q(xid=xid, id__gt=identifier))
    return list(events.order_by("xid", "id").values(*FIELDS, place=F("xid"))[: size + 1])


def render(event: dict[str, Any]) -> bytes:
    return orjson.dumps({name: plain(event[name]) for name in FIELDS})
