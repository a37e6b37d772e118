"""/v1/tasks/{id}/history: whoever may read a task may read its history, also while it is in the trash."""

from typing import ClassVar
from uuid import UUID

from django.http import HttpResponse
from rest_framework.request import Request

from accounts.principal import principal
from config.api import pagination
from config.api.problems import Problem
from config.api.views import ApiViewSet
from config.data import reading
from tasks_app.api.schema import HISTORY_OPERATIONS
from tasks_app.models import Task
from tasks_app.services import history


@HISTORY_OPERATIONS
class HistoryViewSet(ApiViewSet):
    required: ClassVar = {"list": "tasks:read"}
    parameters: ClassVar = {"list": pagination.NAMES}

    def list(self, request: Request, id: UUID) -> HttpResponse:
        query, caller = request.query_params, principal(request)
        size = pagination.page_size(query)
        kind = pagination.kind(f"history {id}", query)
        position = pagination.position(caller.id, kind, query)
        if not reading.read(Task.objects.visible_to(caller).filter(id=id).exists):
            raise Problem("not-found", "There is no such task, or you may not know of it.")
        events = reading.read(lambda: history.page(id, position, size))
        cursor = None
        if len(events) > size:
            last = events[size - 1]
            cursor = pagination.encode(caller.id, kind, [last["place"], str(last["id"])])
        return pagination.respond(request._request, [history.render(event) for event in events[:size]], cursor)
