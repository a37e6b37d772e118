"""Reads that the cache answers: one task, and the two hot lists.

What is asked for most has the shortest way: no view is looked for and no framework asked when the caller is plainly
welcome and his answer is kept. Everything else goes on to the views, with what was found out so far. They would give
the same answer, header by header: tests/tasks_app/test_hits.py, docs/decisions/0017-hits-before-views.md.
"""

import re
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple, cast

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import ResolverMatch, resolve

from accounts import entry
from accounts.principal import Principal
from config.api import limits, preconditions, views
from config.cache.gate import Verdict
from config.cache.shelf import Look, Place
from config.observability import context
from tasks_app.api.tasks import TaskViewSet
from tasks_app.services import kept

_LIST, _ONE = "/v1/tasks", re.compile(r"/v1/tasks/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")
_ANY_TASK = f"{_LIST}/00000000-0000-0000-0000-000000000000"
# What makes a read more than a plain one, empty too: a body, a condition, a state that has to be seen.
_SPECIAL = frozenset(
    {"HTTP_TRANSFER_ENCODING", "HTTP_CONTENT_ENCODING", "HTTP_IF_NONE_MATCH", "HTTP_CONSISTENCY_TOKEN"}
)


class _Asked(NamedTuple):
    action: str  # of the view, which says what it needs
    place: Place
    route: str  # a path of the view's


class HitsMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        is_read = request.method == "GET" and request.path_info.startswith(_LIST)
        return (_hit(request) if is_read else None) or self.get_response(request)


def _hit(request: HttpRequest) -> HttpResponse | None:
    meta, query, path = request.META, request.META.get("QUERY_STRING", ""), request.path_info
    one = None if query else _ONE.fullmatch(path)
    if not (one or path == _LIST) or meta.get("CONTENT_LENGTH") or not _SPECIAL.isdisjoint(meta):
        return None
    caller = entry.known(meta)
    if caller is None:
        return None
    place = kept.place(one[1]) if one else kept.first_page(caller.id, query)
    if place is None:
        return None
    asked = _Asked("retrieve", place, _ANY_TASK) if one else _Asked("list", place, _LIST)
    return _answer(request, caller, asked) if caller.may(str(TaskViewSet.required[asked.action])) else None


def _answer(request: HttpRequest, caller: Principal, asked: _Asked) -> HttpResponse | None:
    verdict = entry.welcome(request.META, caller, asked.place)
    if verdict is None:
        return None
    response = None if verdict.look is None else _kept(request, caller, asked, verdict.look)
    if response is None:
        request.META[entry.VERDICT] = verdict
        return None
    return _finished(request, response, _route(asked.route), caller, verdict)


def _kept(request: HttpRequest, caller: Principal, asked: _Asked, look: Look) -> HttpResponse | None:
    if asked.action == "list":
        return kept.page_hit(caller, request.META.get("QUERY_STRING", ""), look)
    found = kept.task_hit(caller, asked.place.subject, look)
    return None if found is None else preconditions.representation(request, found.version, found.body)


def _finished(
    request: HttpRequest, response: HttpResponse, route: ResolverMatch, caller: Principal, verdict: Verdict
) -> HttpResponse:
    """With all that a view adds to its answers, and the log and the metrics to a call."""
    request.resolver_match = route
    context.user_id.set(caller.id)
    response.headers["Allow"] = views.allowed(*cast(Any, route.func).actions)
    limits.note(request, verdict.usage)
    views.finish(request, response)
    return response


@cache
def _route(path: str) -> ResolverMatch:
    return resolve(path)
