"""What reads of tasks answer, whoever was asked: a view, or what stands before the views (`tasks_app.api.reads`)."""

from collections.abc import Sequence

from django.http import HttpRequest, HttpResponse

from accounts.principal import Principal
from config.api import pagination, parameters, preconditions
from config.api.problems import Problem
from config.cache.shelf import Look
from config.data import reading
from tasks_app.representation import FIELDS
from tasks_app.services import filters, kept, pages


def task(request: HttpRequest, caller: Principal, identifier: str, look: Look | None) -> HttpResponse:
    """One, by its id in lower case. Raises Problem 404."""
    found = kept.task(caller, identifier, look)
    if found is None:
        raise Problem("not-found", "There is no such task, or you may not know of it.")
    return preconditions.representation(request, found.version, found.body)


def tasks(request: HttpRequest, caller: Principal) -> tuple[HttpResponse, str]:
    """The page that a query of known parameters asks for, and what it had seen. Raises Problem 400, 403."""
    query = request.GET
    fields = parameters.choices(query, "fields", FIELDS) or FIELDS
    wanted = filters.of(query, caller)
    return page(request, caller, "tasks", wanted=wanted, sort=pages.sort_of(query), fields=fields)


def page(
    request: HttpRequest,
    caller: Principal,
    name: str,
    *,
    wanted: filters.Filter,
    sort: pages.Sort,
    fields: Sequence[str] = FIELDS,
) -> tuple[HttpResponse, str]:
    """One page of tasks, as one query that PostgreSQL renders, and what that had seen."""
    query = request.GET
    size, kind = pagination.page_size(query), pagination.kind(name, query)
    start = pagination.position(caller.id, kind, query)
    found = reading.read(lambda: pages.page(wanted, sort, start, size, fields))
    cursor = pagination.encode(caller.id, kind, found.last) if found.last else None
    return pagination.respond(request, [found.rows] if found.rows else [], cursor), found.seen
