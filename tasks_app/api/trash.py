"""/v1/trash, and the way back out of it."""

from functools import partial
from typing import ClassVar
from uuid import UUID

from django.http import HttpResponse
from rest_framework.request import Request

from accounts.principal import principal
from config.api import pagination
from config.api.answers import Answer
from config.api.idempotency import perform
from config.api.preconditions import IfMatch
from config.api.views import ApiViewSet
from tasks_app.api import shown
from tasks_app.api.schema import TRASH_OPERATIONS
from tasks_app.api.tasks import change, counted
from tasks_app.services import filters, pages, tasks, trash


@TRASH_OPERATIONS
class TrashViewSet(ApiViewSet):
    required: ClassVar = {"list": "tasks:read", "restore": "tasks:write", "destroy": "tasks:delete"}
    parameters: ClassVar = {"list": pagination.NAMES}

    def beside(self, request: Request, subject: str) -> tuple[str, str] | None:
        return counted(self.kwargs["id"], subject) if self.action in {"restore", "destroy"} else None

    def list(self, request: Request) -> HttpResponse:
        caller = principal(request)
        own = filters.Filter(owner=caller.id)
        return shown.page(request._request, caller, "trash", wanted=own, sort=pages.TRASH)[0]

    def restore(self, request: Request, id: UUID) -> HttpResponse:
        return change(request, id, partial(tasks.restore, if_match=IfMatch.of(request._request)))

    def destroy(self, request: Request, id: UUID) -> HttpResponse:
        if_match = IfMatch.of(request._request)

        def write(locked: bool) -> Answer:
            xid = trash.purge(principal=principal(request), task=id, if_match=if_match, locked=locked)
            return Answer(204, xid=xid)  # it belongs to no task: there is nothing that a later purge could take

        return perform(request, write)
