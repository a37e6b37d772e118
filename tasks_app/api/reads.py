"""Plain reads of one task and of the list: the shortest way to an answer.

What is asked for most has no view looked for and no framework asked when the caller is plainly welcome. Everything
else goes on to the views, with what was found out so far. They would give the same answer, header by header:
tests/tasks_app/test_reads_same.py, docs/decisions/0017-reads-before-views.md.
"""

import re
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple, cast

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import ResolverMatch, resolve

from accounts import entry
from accounts.principal import Principal
from config.api import limits, parameters, problems, views
from config.cache.gate import Verdict
from config.cache.shelf import Look
from config.data import reading
from config.observability import context
from tasks_app.api import shown
from tasks_app.api.tasks import TaskViewSet
from tasks_app.services import kept

_LIST, _ONE = "/v1/tasks", re.compile(r"/v1/tasks/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")
_ANY_TASK = f"{_LIST}/00000000-0000-0000-0000-000000000000"
# What makes a read more than a plain one, empty too: a body, a state that has to be seen.
_SPECIAL = frozenset({"HTTP_TRANSFER_ENCODING", "HTTP_CONTENT_ENCODING", "HTTP_CONSISTENCY_TOKEN"})


class _Asked(NamedTuple):
    """One task, or (None) the list as `query` wants it."""

    task: str | None
    query: str


class ReadsMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        is_read = request.method == "GET" and request.path_info.startswith(_LIST)
        return (_read(request) if is_read else None) or self.get_response(request)


def _read(request: HttpRequest) -> HttpResponse | None:
    """The answer to a plain read of a caller who is known and welcome; None: the views shall judge."""
    asked = _asked(request)
    caller = None if asked is None else entry.known(request.META)
    if asked is None or caller is None or not caller.may(str(TaskViewSet.required[_action(asked)])):
        return None
    place = kept.place(asked.task) if asked.task else kept.first_page(caller.id, asked.query)
    verdict = entry.welcome(request.META, caller, place)
    return None if verdict is None else _answer(request, asked, caller, verdict)


def _asked(request: HttpRequest) -> _Asked | None:
    meta, query, path = request.META, request.META.get("QUERY_STRING", ""), request.path_info
    one = None if query else _ONE.fullmatch(path)
    if not (one or path == _LIST) or meta.get("CONTENT_LENGTH") or not _SPECIAL.isdisjoint(meta):
        return None
    return _Asked(one[1] if one else None, query)


def _action(asked: _Asked) -> str:
    return "retrieve" if asked.task else "list"


def _answer(request: HttpRequest, asked: _Asked, caller: Principal, verdict: Verdict) -> HttpResponse:
    """With all that a view adds to its answers, and the log and the metrics to a call."""
    context.user_id.set(caller.id)
    limits.note(request, verdict.usage)
    request.resolver_match = route = _route(_ANY_TASK if asked.task else _LIST)
    with reading.scope(None, replicas=True):
        reading.demand(verdict.wrote, verdict.writing)
        try:
            response = _shown(request, asked, caller, verdict.look)
        except Exception as error:  # noqa: BLE001 (as the views do: each has its problem document)
            response = problems.respond(problems.of(error), request)
    if response.status_code == 304:
        limits.refund(request)
    response.headers["Allow"] = views.allowed(*cast(Any, route.func).actions)
    views.finish(request, response)
    return response


def _shown(request: HttpRequest, asked: _Asked, caller: Principal, look: Look | None) -> HttpResponse:
    if asked.task:
        return shown.task(request, caller, asked.task, look)

    def load() -> tuple[HttpResponse, str]:  # what is kept was asked for with good parameters
        parameters.check(request, TaskViewSet.parameters["list"], TaskViewSet.repeatable)
        return shown.tasks(request, caller)

    return kept.page(caller, asked.query, look, load)


@cache
def _route(path: str) -> ResolverMatch:
    return resolve(path)
