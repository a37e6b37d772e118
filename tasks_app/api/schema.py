"""What the OpenAPI document says of /v1/tasks beyond the code."""

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema

from config.api.schema import (
    IDEMPOTENCY_KEY,
    IF_MATCH,
    IF_NONE_MATCH,
    PAGE_PARAMETERS,
    operation,
    operations,
    page_of,
    parameter,
)
from tasks_app.api.serializers import EventOut, TaskCreate, TaskOut, TaskPatch
from tasks_app.models import Priority, Status
from tasks_app.services import filters

_TIMES = {
    "due_after": "Due at this time or later.",
    "due_before": "Due before this time.",
    "created_after": "Created at this time or later.",
    "created_before": "Created before this time.",
    "updated_after": "Last changed at this time or later.",
}
LIST_PARAMETERS = [
    parameter("status", f"A comma list of {', '.join(Status.values)}."),
    parameter("priority", f"A comma list of {', '.join(Priority.values)}."),
    parameter("label", "Repeatable; a task must have all of them.", many=True),
    parameter("assignee", "`me` (assigned to you, whoever owns it), a user id, or `none`."),
    parameter("owner", "`me` (default); another user id or `any` with the permission tasks:admin."),
    *(parameter(name, text, OpenApiTypes.DATETIME) for name, text in _TIMES.items()),
    parameter("q", f"Full text over title and description, at most {filters.MAX_SEARCH} characters."),
    parameter("sort", "The order; ties go by id.", enum=list(filters.CLIENT_SORTS), default="-created_at"),
    parameter("fields", "A comma list of the task's fields; only these are returned."),
    *PAGE_PARAMETERS,
]

TASK_OPERATIONS = operations(
    list=extend_schema(
        summary="List tasks",
        description="Your own tasks, newest first. Needs `tasks:read`. Nothing that is not understood is ignored.",
        parameters=LIST_PARAMETERS,
        **operation(page_of(TaskOut), errors=(400,)),
    ),
    create=extend_schema(
        summary="Create a task",
        description="Needs `tasks:write`. Send an `Idempotency-Key` to be able to repeat the call safely.",
        request=TaskCreate,
        parameters=[IDEMPOTENCY_KEY],
        **operation(TaskOut, status=201, errors=(400, 409, 413, 415, 422)),
    ),
    retrieve=extend_schema(
        summary="Get a task",
        description="Your own tasks and those assigned to you; everybody's with `tasks:admin`. Needs `tasks:read`.",
        parameters=[IF_NONE_MATCH],
        **operation(TaskOut, errors=(400, 404)),
    ),
    partial_update=extend_schema(
        summary="Change a task",
        description=(
            "A JSON merge patch: what is not sent is not touched. Needs `tasks:write`; an assignee may change the "
            "status only. A patch that changes nothing keeps the version."
        ),
        request={"application/merge-patch+json": TaskPatch, "application/json": TaskPatch},
        parameters=[IDEMPOTENCY_KEY, IF_MATCH],
        **operation(TaskOut, errors=(400, 404, 409, 412, 413, 415, 422, 428)),
    ),
    destroy=extend_schema(
        summary="Delete a task",
        description="To the trash, for 30 days. Needs `tasks:delete`; an assignee may not.",
        request=None,
        parameters=[IDEMPOTENCY_KEY, IF_MATCH],
        **operation(None, status=204, errors=(400, 404, 409, 412, 422, 428)),
    ),
)

HISTORY_OPERATIONS = operations(
    list=extend_schema(
        summary="History of a task",
        description="Its events, oldest first, with what each changed and who did it. Needs `tasks:read`.",
        parameters=PAGE_PARAMETERS,
        **operation(page_of(EventOut), errors=(400, 404)),
    )
)

TRASH_OPERATIONS = operations(
    list=extend_schema(
        summary="List the trash",
        description="Your own deleted tasks, newest deletion first. They stay for 30 days. Needs `tasks:read`.",
        parameters=PAGE_PARAMETERS,
        **operation(page_of(TaskOut), errors=(400,)),
    ),
    restore=extend_schema(
        summary="Restore a task",
        description="Back from the trash; 409 when it is not there. Needs `tasks:write`.",
        request=None,
        parameters=[IDEMPOTENCY_KEY, IF_MATCH],
        **operation(TaskOut, errors=(400, 404, 409, 412, 422)),
    ),
    destroy=extend_schema(
        summary="Purge a task",
        description="Gone for good, its history and stored answers included. Needs `tasks:delete`.",
        request=None,
        parameters=[IDEMPOTENCY_KEY, IF_MATCH],
        **operation(None, status=204, errors=(400, 404, 409, 412, 422)),
    ),
)
