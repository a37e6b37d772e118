"""/v1/notifications: the caller's inbox."""

from typing import Any, ClassVar
from uuid import UUID

import orjson
from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from accounts.principal import principal
from config.api import pagination
from config.api.answers import Answer
from config.api.idempotency import perform
from config.api.problems import Problem
from config.api.schema import IDEMPOTENCY_KEY, PAGE_PARAMETERS, operation, operations, page_of
from config.api.views import ApiViewSet
from config.data import transactions
from notifications.services import inbox
from tasks_app.representation import plain

FIELDS = ("id", "type", "task_id", "title", "at", "read_at")


class NotificationOut(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    type = serializers.CharField(help_text="task.completed or task.assigned.")
    task_id = serializers.UUIDField()
    title = serializers.CharField(help_text="The task's title when it happened.")
    at = serializers.DateTimeField()
    read_at = serializers.DateTimeField(allow_null=True)


class ReadAllOut(serializers.Serializer[Any]):
    read = serializers.IntegerField(help_text="How many were unread.")


@operations(
    list=extend_schema(
        summary="List notifications",
        description="Your inbox, newest first. Needs `tasks:read`.",
        parameters=PAGE_PARAMETERS,
        **operation(page_of(NotificationOut), errors=(400,)),
    ),
    read=extend_schema(
        summary="Mark a notification as read",
        description="Its first reading counts; repeating the call changes nothing. Needs `tasks:read`.",
        request=None,
        parameters=[IDEMPOTENCY_KEY],
        **operation(NotificationOut, errors=(400, 404, 409, 422)),
    ),
    read_all=extend_schema(
        summary="Mark all notifications as read",
        description="Needs `tasks:read`.",
        request=None,
        parameters=[IDEMPOTENCY_KEY],
        **operation(ReadAllOut, errors=(400, 409, 422)),
    ),
)
class NotificationViewSet(ApiViewSet):
    required: ClassVar = {"list": "tasks:read", "read": "tasks:read", "read_all": "tasks:read"}
    parameters: ClassVar = {"list": pagination.NAMES}

    def list(self, request: Request) -> HttpResponse:
        found = inbox.of(principal(request).id).order_by("-id")

        def fetch(position: list[Any] | None, size: int) -> list[dict[str, Any]]:
            rows = found if position is None else found.filter(id__lt=position[0])
            return [dict(row) for row in rows.values(*FIELDS)[: size + 1]]

        return pagination.page(request, "notifications", fetch, lambda row: [str(row["id"])], _render)

    def read(self, request: Request, id: UUID) -> HttpResponse:
        def write(locked: bool) -> Answer:
            found = inbox.mark_read(principal(request).id, id)
            if found is None:
                raise Problem("not-found", "There is no such notification, or it is not yours.")
            body = _render({name: getattr(found, name) for name in FIELDS})
            return Answer(200, body, xid=transactions.current_id())

        return perform(request, write)

    def read_all(self, request: Request) -> HttpResponse:
        def write(locked: bool) -> Answer:
            read = inbox.mark_all_read(principal(request).id)
            return Answer(200, orjson.dumps({"read": read}), xid=transactions.current_id())

        return perform(request, write)


def _render(row: dict[str, Any]) -> bytes:
    return orjson.dumps({name: plain(row[name]) for name in FIELDS})
