"""/v1/trash, and the way back out of it."""

from collections.abc import Callable
from typing import ClassVar
from uuid import UUID

from django.http import HttpResponse
from rest_framework.request import Request

from accounts.principal import principal
from config.api import pagination, preconditions
from config.api.idempotency import Answer, perform
from config.api.preconditions import IfMatch
from config.api.views import ApiViewSet
from tasks_app.api.schema import TRASH_OPERATIONS
from tasks_app.api.tasks import count_write, page, still_visible
from tasks_app.services import filters, pages, trash
from tasks_app.services.rows import Written


@TRASH_OPERATIONS
class TrashViewSet(ApiViewSet):
    required: ClassVar = {"list": "tasks:read", "restore": "tasks:write", "destroy": "tasks:delete"}
    parameters: ClassVar = {"list": pagination.NAMES}

    def list(self, request: Request) -> HttpResponse:
        return page(request, "trash", filters.Filter(owner=principal(request).id), pages.TRASH)[0]

    def restore(self, request: Request, id: UUID) -> HttpResponse:
        return _write(request, id, trash.restore, 200)

    def destroy(self, request: Request, id: UUID) -> HttpResponse:
        return _write(request, id, trash.purge, 204)


def _write(request: Request, task: UUID, service: Callable[..., Written], status: int) -> HttpResponse:
    count_write(request, task)
    if_match = IfMatch.of(request._request)

    def write(locked: bool) -> Answer:
        written = service(principal=principal(request), task=task, if_match=if_match, locked=locked)
        headers = {"ETag": preconditions.etag(written.version)} if written.body else {}
        # A purge has nothing that a later purge could take, so its answer belongs to no task.
        return Answer(status, written.body, headers, written.xid, (written.id,) if written.body else ())

    return perform(request, write, authorize=still_visible(principal(request)))
