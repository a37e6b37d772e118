"""/v1/changes: what happened to the caller's tasks, from wherever he left off."""

import time
from functools import partial
from typing import Any, ClassVar

from django.http import HttpResponse
from rest_framework.request import Request

from accounts.principal import principal
from config.api import pagination, parameters
from config.api.problems import Problem
from config.api.views import ApiViewSet
from config.data import reading
from config.server import later
from config.server.later import Later
from tasks_app.api.schema import CHANGES_OPERATIONS
from tasks_app.services import changes, news
from tasks_app.services.changes import Page, Place

KIND = "changes"  # a cursor goes on with any `wait`
MOST = 30  # seconds that a caller may ask to wait


@CHANGES_OPERATIONS
class ChangesViewSet(ApiViewSet):
    required: ClassVar = {"list": "tasks:read"}
    parameters: ClassVar = {"list": pagination.NAMES | {"wait"}}

    def list(self, request: Request) -> HttpResponse:
        query, owner = request.query_params, principal(request).id
        size, wait = pagination.page_size(query), parameters.one(query, "wait", _seconds, f"0 to {MOST}") or 0
        before = later.before(request._request)
        position = before.kept["position"] if before else pagination.position(owner, KIND, query)
        if before and before.news:
            reading.demand([before.news])
        page = _read(owner, position, size)
        if not page.entries and (before.news if before else wait and news.may_wait()):
            until = before.until if before else time.monotonic() + wait
            return Later(partial(news.behind, owner, page.place), until, position=page.place.position())
        cursor = pagination.encode(owner, KIND, page.place.position())
        return pagination.respond(request._request, page.entries, cursor, caught_up=page.caught_up)


def _read(owner: str, position: list[Any] | None, size: int) -> Page:
    def fetch() -> Page:
        return changes.read(owner, changes.beginning() if position is None else Place.of(position), size)

    try:
        return reading.read(fetch)
    except changes.Expired as error:
        raise Problem("cursor-expired") from error


def _seconds(raw: str) -> int:
    if not (raw.isascii() and raw.isdigit() and len(raw) <= len("30") and int(raw) <= MOST):
        raise ValueError(raw)
    return int(raw)
