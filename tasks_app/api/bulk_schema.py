"""What the OpenAPI document says of POST /v1/tasks/bulk beyond the code."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers

from config.api.schema import IDEMPOTENCY_KEY, ProblemDocument, operation, operations
from tasks_app.api.operations import BulkCall
from tasks_app.api.serializers import TaskOut

_ID = "0192f0c1-d2e3-7b5a-8000-000000000000"
_TASK: dict[str, Any] = {
    "id": _ID,
    "title": "Water the plants",
    "description": "",
    "status": "completed",
    "priority": "normal",
    "due_at": None,
    "labels": [],
    "owner": "9a1f6a52-3c1e-4c55-8f0b-0d9f3a2f7a10",
    "assignee": None,
    "version": 4,
    "created_at": "2026-11-02T08:30:00.000Z",
    "updated_at": "2026-11-02T09:00:00.000Z",
    "completed_at": "2026-11-02T09:00:00.000Z",
    "deleted_at": None,
}
_PROBLEM = {
    "type": "/problems/not-found",
    "title": "Not found",
    "status": 404,
    "detail": "There is no such task, or you may not know of it.",
    "instance": "/v1/tasks/bulk",
    "request_id": "0192f0c1d2e34b5a",
    "errors": [{"pointer": "#/operations/1/id", "code": "not-found", "detail": "There is no such task, …"}],
}
_OPERATIONS = [
    {"op": "update", "id": _ID, "if_match": 3, "body": {"status": "completed"}},
    {"op": "delete", "id": "0192f0c1-d2e3-7b5a-8000-000000000001"},
]


class BulkResult(serializers.Serializer[Any]):
    """What became of one operation, in the place of the operation: `body` or `problem`."""

    status = serializers.IntegerField(help_text="As the single call would have answered.")
    body = TaskOut(required=False, allow_null=True, help_text="The task after it; null when it was deleted.")
    problem = ProblemDocument(required=False, help_text="In mode partial only.")


class BulkResults(serializers.Serializer[Any]):
    results = BulkResult(many=True)


def _example(name: str, value: Any, **more: Any) -> OpenApiExample:
    return OpenApiExample(name, value=value, **more)


_ONE = operation(BulkResults, errors=(400, 404, 409, 410, 412, 413, 415, 422, 428))
BULK_OPERATIONS = operations(
    create=extend_schema(
        summary="Up to a hundred writes at once",
        description=(
            "`create`, `update`, `delete` and `restore`, in their order; each sees the ones before it, and the same id "
            "may come twice. Each obeys the rules of the single call.\n\n"
            "`atomic`: all of them or none. The first that fails is the answer, with its status, and `errors` points "
            "to the operation (`#/operations/3/id`). `partial`: each succeeds or fails alone. `dry_run`: the answer "
            "that the call would get, and nothing is changed."
        ),
        request=BulkCall,
        parameters=[IDEMPOTENCY_KEY],
        examples=[
            _example("atomic", {"operations": _OPERATIONS}, request_only=True),
            _example(
                "partial, dry run", {"mode": "partial", "dry_run": True, "operations": _OPERATIONS}, request_only=True
            ),
            _example(
                "all done",
                {"results": [{"status": 200, "body": _TASK}, {"status": 204, "body": None}]},
                response_only=True,
                status_codes=["200"],
            ),
            _example(
                "one failed",
                {"results": [{"status": 200, "body": _TASK}, {"status": 404, "problem": _PROBLEM}]},
                response_only=True,
                status_codes=["207"],
            ),
        ],
        responses={**_ONE["responses"], 207: BulkResults},
    )
)
