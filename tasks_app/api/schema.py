"""What the OpenAPI document says of /v1/tasks beyond the code."""

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema, inline_serializer
from rest_framework import serializers

from config.api.schema import (
    CURSOR,
    IDEMPOTENCY_KEY,
    IF_MATCH,
    IF_NONE_MATCH,
    PAGE_PARAMETERS,
    operation,
    operations,
    page_of,
    parameter,
)
from tasks_app.api.serializers import ChangeOut, EventOut, TaskCreate, TaskOut, TaskPatch
from tasks_app.models import Priority, Status
from tasks_app.representation import FIELDS
from tasks_app.services import filters, pages
from tasks_app.services.filter_schemas import FILTERS, comma_list

_FILTERS = {
    "status": f"A comma list of {', '.join(Status.values)}, each at most once.",
    "priority": f"A comma list of {', '.join(Priority.values)}, each at most once.",
    "label": "Repeatable; a task must have all of them.",
    "assignee": "`me` (assigned to you, whoever owns it), a user id, or `none`.",
    "owner": "`me` (default); another user id or `any` with the permission tasks:admin.",
    "due_after": "Due at this time or later.",
    "due_before": "Due before this time.",
    "created_after": "Created at this time or later.",
    "created_before": "Created before this time.",
    "updated_after": "Last changed at this time or later.",
    "q": f"Full text over title and description, at most {filters.MAX_SEARCH} characters.",
}


def _filter(name: str, description: str) -> OpenApiParameter:
    schema = FILTERS[name]
    return parameter(name, description, {"type": "array", "items": schema} if name in filters.REPEATABLE else schema)


LIST_PARAMETERS = [
    *(_filter(name, description) for name, description in _FILTERS.items()),
    parameter("sort", "The order; ties go by id.", enum=list(pages.SORTS), default="-created_at"),
    parameter(
        "fields",
        "A comma list of the task's fields, each at most once; the tasks of the answer then have no others.",
        comma_list(FIELDS),
    ),
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
        **operation(TaskOut, status=201, errors=(400, 409, 410, 413, 415, 422)),
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
        **operation(TaskOut, errors=(400, 404, 409, 410, 412, 413, 415, 422, 428)),
    ),
    destroy=extend_schema(
        summary="Delete a task",
        description="To the trash, for 30 days. Needs `tasks:delete`; an assignee may not.",
        request=None,
        parameters=[IDEMPOTENCY_KEY, IF_MATCH],
        **operation(None, status=204, errors=(400, 404, 409, 410, 412, 422, 428)),
    ),
)

_TASK = {
    "id": "0192f0c1-d2e3-7b5a-8000-5f1e2d3c4b5a",
    "title": "Write the report",
    "description": "",
    "status": "in-progress",
    "priority": "high",
    "due_at": "2027-01-31T12:00:00.000Z",
    "labels": ["work"],
    "owner": "00000000-0000-4000-8000-000000000001",
    "assignee": None,
    "version": 2,
    "created_at": "2026-11-02T08:00:00.000Z",
    "updated_at": "2026-11-02T09:30:00.000Z",
    "completed_at": None,
    "deleted_at": None,
}
_CHANGE = {
    "sequence": "00000000000000004711-0192f114-5a00-7c3d-9000-1a2b3c4d5e6f",
    "type": "task.updated",
    "id": _TASK["id"],
    "version": 2,
    "at": "2026-11-02T09:30:00.000Z",
    "changes": {"status": {"from": "pending", "to": "in-progress"}},
    "task": _TASK,
}
_DELETION = {
    "sequence": "00000000000000004902-0192f118-9c40-7a11-8f00-6f5e4d3c2b1a",
    "type": "task.deleted",
    "id": "0192ee55-1b00-7d20-b000-0a1b2c3d4e5f",
    "version": 5,
    "at": "2026-11-02T09:34:38.000Z",
    "changes": {"deleted_at": {"from": None, "to": "2026-11-02T09:34:38.000Z"}},
    "task": None,
}
_CHANGES = OpenApiResponse(
    page_of(
        ChangeOut,
        next_cursor=serializers.CharField(help_text="Where to go on, also after an empty page."),
        caught_up=serializers.BooleanField(help_text="There was no more to read."),
    ),
    description="A page of the feed.",
    examples=[
        OpenApiExample("changes", value={"results": [_CHANGE, _DELETION], "next_cursor": "r4Zk…", "caught_up": True}),
        OpenApiExample("nothing new", value={"results": [], "next_cursor": "r4Zk…", "caught_up": True}),
    ],
)
CHANGES_OPERATIONS = operations(
    list=extend_schema(
        summary="Follow the changes of your tasks",
        description=(
            "Every event of the tasks that you own, in an order in which none is ever missed and the versions of one "
            "task ascend. At least once. A client that applies each entry in turn (`task: null` removes it) ends with "
            "exactly its list. Without a cursor it begins at the oldest event that is kept. Needs `tasks:read`."
        ),
        parameters=[
            *PAGE_PARAMETERS[:1],
            parameter(
                "cursor", "The `next_cursor` of the answer before. It outlives 30 days; an older one is 410.", CURSOR
            ),
            parameter(
                "wait",
                "Seconds to wait for an entry when there is none, 0 to 30. At most: a busy server answers sooner.",
                {"type": "integer", "minimum": 0, "maximum": 30},
                default=0,
            ),
        ],
        **operation(_CHANGES, errors=(400, 410)),
    )
)

_COUNTS = {"pending": 12, "in-progress": 3, "completed": 240, "overdue": 2}
COUNTS_OPERATIONS = operations(
    counts=extend_schema(
        summary="Count your tasks",
        description=(
            "How many of your own tasks are in each status, and how many are due and not completed. Exact, your own "
            "writes included, and as cheap with many tasks as with few. Needs `tasks:read`."
        ),
        **operation(
            OpenApiResponse(
                inline_serializer("TaskCounts", {name: serializers.IntegerField() for name in _COUNTS}),
                description="The numbers.",
                examples=[OpenApiExample("counts", value=_COUNTS)],
            ),
            errors=(400,),
        ),
    )
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
        **operation(TaskOut, errors=(400, 404, 409, 410, 412, 422)),
    ),
    destroy=extend_schema(
        summary="Purge a task",
        description="Gone for good, its history and stored answers included. Needs `tasks:delete`.",
        request=None,
        parameters=[IDEMPOTENCY_KEY, IF_MATCH],
        **operation(None, status=204, errors=(400, 404, 409, 412, 422)),
    ),
)
