"""POST /v1/tasks/bulk: up to a hundred operations in one transaction."""

from collections.abc import Sequence
from typing import Any, ClassVar, cast

import orjson
from django.http import HttpResponse
from rest_framework.request import Request

from accounts.principal import principal
from config.api import bodies, idempotency, limits, problems
from config.api.answers import Answer
from config.api.problems import Problem
from config.api.views import ApiViewSet
from config.cache import gate
from config.data.statements import Rows, together
from config.events.log import Unsaved
from tasks_app.api import operations
from tasks_app.api.bulk_schema import BULK_OPERATIONS
from tasks_app.api.operations import Call, Parsed
from tasks_app.api.tasks import still_visible
from tasks_app.services import bulk
from tasks_app.services.bulk import Operation
from tasks_app.services.rows import Written

_DONE = {"create": 201, "update": 200, "delete": 204, "restore": 200}


@BULK_OPERATIONS
class BulkViewSet(ApiViewSet):
    # Whoever may do one kind of operation may call; each asks for its own permission.
    required: ClassVar = {"create": ("tasks:write", "tasks:delete")}

    def takes_key(self, request: Request) -> bool:
        """A dry run takes none, whatever is wrong with it."""
        return not (isinstance(request.data, dict) and request.data.get("dry_run") is True)

    def create(self, request: Request) -> HttpResponse:
        raw = bodies.of(request)
        call = operations.parse(raw)
        refused = _over_limit(request, raw["operations"])
        if call.atomic:
            for problem in refused.values():
                raise problem
            operations.check(call.operations)
        parsed = [refused.get(index, one) for index, one in enumerate(call.operations)]

        def decide(answers: Sequence[Rows]) -> Answer:
            results, unsaved = bulk.decide(
                principal=principal(request), operations=parsed, answers=answers, atomic=call.atomic
            )
            return _answer(request, call, parsed, results, unsaved)

        if call.dry_run:
            idempotency.check_key(request)
            asks = bulk.asks(parsed, locked=False)
            return decide(together(asks) if asks else []).response()
        authorize = still_visible(principal(request))
        return idempotency.settle(request, decide, asks=lambda _: bulk.asks(parsed), dear=True, authorize=authorize)


def _over_limit(request: Request, raw: Sequence[Any]) -> dict[int, Problem]:
    """Counts each operation on an existing task as a write on it (policy `task`); the refused ones, by their place.

    The headers tell of the task with the least left.
    """
    named = [(index, task) for index, one in enumerate(raw) if (task := operations.task_of(one)) is not None]
    if not named:
        return {}
    usages = gate.count_each("task", [f"{task}:{principal(request).id}" for _, task in named])
    limits.note(request._request, min(usages, key=lambda usage: (usage.allowed, usage.remaining)))
    return {
        index: bulk.at(f"#/operations/{index}", limits.refusal(usage))
        for (index, _), usage in zip(named, usages, strict=True)
        if not usage.allowed
    }


def _answer(
    request: Request,
    call: Call,
    parsed: Sequence[Parsed],
    results: Sequence[Written | Problem],
    unsaved: Unsaved,
) -> Answer:
    items = [_item(request, one, result) for one, result in zip(parsed, results, strict=True)]
    written = [result for result in results if isinstance(result, Written)]
    return Answer(
        200 if call.atomic else 207,
        orjson.dumps({"results": items}, default=str),
        subjects=tuple(dict.fromkeys(one.id for one in written)),
        unsaved=unsaved,
    )


def _item(request: Request, one: Parsed, result: Written | Problem) -> dict[str, Any]:
    if isinstance(one, Operation) and isinstance(result, Written):
        return {"status": _DONE[one.op], "body": orjson.Fragment(result.body) if result.body else None}
    problem = cast(Problem, result)
    document = problems.document(problem, request.path)
    if "Retry-After" in problem.headers:
        document["retry_after"] = int(problem.headers["Retry-After"])  # the header, which only a whole answer has
    return {"status": problem.status_code, "problem": document}
