"""What the tests of bulk calls share."""

from typing import Any

from config.api.models import IdempotencyKey
from config.events.models import Event
from tasks_app.models import Task
from tests.cast import Answer, Caller, assert_problem

BULK = "/v1/tasks/bulk"


def bulk(caller: Caller, *operations: Any, headers: dict[str, str] | None = None, **members: Any) -> Answer:
    return caller.post(BULK, {"operations": list(operations), **members}, **(headers or {}))


def create(**fields: Any) -> dict[str, Any]:
    return {"op": "create", "body": {"title": "new", **fields}}


def update(task: Any, if_match: Any = None, **fields: Any) -> dict[str, Any]:
    return {**_on("update", task, if_match), "body": fields}


def delete(task: Any, if_match: Any = None) -> dict[str, Any]:
    return _on("delete", task, if_match)


def restore(task: Any, if_match: Any = None) -> dict[str, Any]:
    return _on("restore", task, if_match)


def _on(op: str, task: Any, if_match: Any) -> dict[str, Any]:
    """`task` is one as an answer told it, or an id."""
    version = {} if if_match is None else {"if_match": if_match}
    return {"op": op, "id": task["id"] if isinstance(task, dict) else task, **version}


def results(answer: Answer, status: int) -> list[dict[str, Any]]:
    assert answer.status_code == status, answer.content
    told: list[dict[str, Any]] = answer.json()["results"]
    return told


def statuses(answer: Answer) -> list[int]:
    return [result["status"] for result in results(answer, 207)]


def refused(answer: Answer, status: int) -> str:
    """Of an atomic call: where the problem points to."""
    (error,) = assert_problem(answer, status)["errors"]
    return str(error["pointer"])


def state() -> Any:
    """All that a refused or a dry call must leave as it is."""
    return list(Task.objects.order_by("id").values()), Event.objects.count(), IdempotencyKey.objects.count()
