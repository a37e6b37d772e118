"""/v1/tasks/{id}/history: whoever may read a task may read its history, also while it is in the trash."""

from typing import Any, ClassVar
from uuid import UUID

from django.http import HttpResponse
from rest_framework.request import Request

from accounts.principal import principal
from config.api import pagination
from config.api.problems import Problem
from config.api.views import ApiViewSet
from tasks_app.api.schema import HISTORY_OPERATIONS
from tasks_app.models import Task
from tasks_app.services import history


@HISTORY_OPERATIONS
class HistoryViewSet(ApiViewSet):
    required: ClassVar = {"list": "tasks:read"}
    parameters: ClassVar = {"list": pagination.NAMES}

    def list(self, request: Request, id: UUID) -> HttpResponse:
        visible = Task.objects.visible_to(principal(request)).filter(id=id)

        def fetch(position: list[Any] | None, size: int) -> list[dict[str, Any]]:
            if not visible.exists():
                raise Problem("not-found", "There is no such task, or you may not know of it.")
            return history.page(id, position, size)

        return pagination.page(
            request, f"history {id}", fetch, lambda event: [event["place"], str(event["id"])], history.render
        )
