"""/v1/tasks: parse, authorize, call, respond."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar
from uuid import UUID

from django.http import HttpResponse
from rest_framework.request import Request

from accounts.principal import Principal, principal
from config.api import bodies, pagination, preconditions
from config.api.answers import Answer
from config.api.idempotency import settle
from config.api.preconditions import IfMatch
from config.api.problems import Problem
from config.api.views import ApiViewSet, look_of
from config.cache.shelf import Place
from config.data.statements import Rows
from tasks_app.api import serializers, shown
from tasks_app.api.schema import TASK_OPERATIONS
from tasks_app.models import Task
from tasks_app.services import filters, kept, rows
from tasks_app.services import tasks as service
from tasks_app.services.rows import Draft


@TASK_OPERATIONS
class TaskViewSet(ApiViewSet):
    required: ClassVar = {
        "list": "tasks:read",
        "create": "tasks:write",
        "retrieve": "tasks:read",
        "partial_update": "tasks:write",
        "destroy": "tasks:delete",
    }
    parameters: ClassVar = {"list": filters.NAMES | pagination.NAMES | {"sort", "fields"}}
    repeatable: ClassVar = filters.REPEATABLE

    def place(self, request: Request, subject: str) -> Place | None:
        if self.action == "retrieve":
            return kept.place(self.kwargs["id"])
        return kept.first_page(subject, _query(request)) if self.action == "list" else None

    def beside(self, request: Request, subject: str) -> tuple[str, str] | None:
        return counted(self.kwargs["id"], subject) if self.action in {"partial_update", "destroy"} else None

    def list(self, request: Request) -> HttpResponse:
        plain, caller = request._request, principal(request)
        return kept.page(caller, _query(request), look_of(plain), lambda: shown.tasks(plain, caller))

    def create(self, request: Request) -> HttpResponse:
        fields = serializers.CREATE.run_validation(bodies.of(request))

        def decide(_: list[Rows]) -> Answer:
            draft = service.create(principal=principal(request), fields=fields)
            return answer(draft, 201, {"Location": f"/v1/tasks/{draft.written.id}"})

        return settle(request, decide, authorize=still_visible(principal(request)))

    def retrieve(self, request: Request, id: UUID) -> HttpResponse:
        return shown.task(request._request, principal(request), str(id), look_of(request._request))

    def partial_update(self, request: Request, id: UUID) -> HttpResponse:
        fields = serializers.PATCH.run_validation(bodies.of(request))
        if_match = _if_match(request, id)

        return change(request, id, partial(service.patch, fields=fields, if_match=if_match))

    def destroy(self, request: Request, id: UUID) -> HttpResponse:
        if_match = _if_match(request, id)

        return change(request, id, partial(service.delete, if_match=if_match), status=204)


def _query(request: Request) -> str:
    return str(request.META.get("QUERY_STRING", ""))


def change(request: Request, task: UUID, decide: Callable[..., Draft], status: int = 200) -> HttpResponse:
    """A write on one task: `decide(principal, values)`, with what the caller may know of it."""
    caller = principal(request)
    # A 204 shows nothing, whoever gets it again.
    authorize = None if status == 204 else still_visible(caller)

    def decided(answers: list[Rows]) -> Answer:
        draft = decide(principal=caller, values=rows.found(caller, answers).get(task))
        return answer(draft, status)

    return settle(request, decided, asks=lambda locked: rows.asks([task], locked=locked), authorize=authorize)


def answer(draft: Draft, status: int, headers: Mapping[str, str] | None = None) -> Answer:
    written = draft.written
    etag = {"ETag": preconditions.etag(written.version)} if written.body else {}
    return Answer(status, written.body, {**etag, **(headers or {})}, subjects=(written.id,), unsaved=draft.unsaved)


def still_visible(caller: Principal) -> Any:
    """A replay must not show a task that the caller may no longer see; its trash he may."""

    def authorize(tasks: Sequence[UUID]) -> None:
        if Task.objects.using("default").visible_to(caller).filter(id__in=tasks).count() != len(tasks):
            raise Problem("not-found", "There is no such task, or you may not know of it.")

    return authorize


def counted(task: UUID, caller: str) -> tuple[str, str]:
    """The policy `task`: this caller's writes on one task. What others do with it is not told by what is left."""
    return "task", f"{task}:{caller}"


def _if_match(request: Request, task: UUID) -> IfMatch:
    if_match = IfMatch.of(request._request)
    if if_match.missing(principal(request).client):
        service.access(principal(request), task)  # 404 comes before 428
        raise Problem("precondition-required")
    return if_match
