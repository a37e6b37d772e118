"""The body of a bulk call: its serializers, and what they make of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema_field
from rest_framework import serializers

from config.api import fields, parameters, problems
from config.api.preconditions import IfMatch
from config.api.problems import Problem
from tasks_app.api.serializers import TaskCreate, TaskPatch
from tasks_app.services.bulk import MOST, Operation


class _Op(fields.Choice):
    """The one value that this kind of operation has."""

    def __init__(self, op: str) -> None:
        super().__init__(choices=[op])


class _OnTask(fields.Body):
    id = fields.Identifier()
    if_match = fields.Whole(
        min_value=1, required=False, help_text="The version you have seen: 412 when it has changed since."
    )


class BulkCreate(fields.Body):
    """A new task: the body is that of `POST /v1/tasks`."""

    op = _Op("create")
    body = TaskCreate()


class BulkUpdate(_OnTask):
    """A merge patch of a task, as `PATCH /v1/tasks/{id}`."""

    op = _Op("update")
    body = TaskPatch()


class BulkDelete(_OnTask):
    """A task into the trash, as `DELETE /v1/tasks/{id}`."""

    op = _Op("delete")


class BulkRestore(_OnTask):
    """A task out of the trash, as `POST /v1/tasks/{id}/restore`."""

    op = _Op("restore")


Parsed = Operation | Problem  # a Problem 400 where one is no operation or has bad fields
KINDS: dict[str, serializers.Serializer[Any] | type[serializers.Serializer[Any]]] = {
    "create": BulkCreate,
    "update": BulkUpdate,
    "delete": BulkDelete,
    "restore": BulkRestore,
}
_KINDS = {"create": BulkCreate(), "update": BulkUpdate(), "delete": BulkDelete(), "restore": BulkRestore()}
_OP = fields.Choice(choices=list(KINDS))
_OBJECT = fields.Body()


@extend_schema_field(
    PolymorphicProxySerializer("BulkOperation", serializers=KINDS, resource_type_field_name="op", many=True)
)
class _Operations(serializers.ListField):
    """1 to 100 of any form: each is judged alone."""


class BulkCall(fields.Body):
    """A bulk call but for what its operations hold."""

    mode = fields.Choice(choices=["atomic", "partial"], default="atomic")
    dry_run = fields.Flag(default=False)
    operations = _Operations(min_length=1, max_length=MOST)


_CALL = BulkCall()


@dataclass(frozen=True, slots=True)
class Call:
    atomic: bool
    dry_run: bool
    operations: list[Parsed]


def parse(raw: Any) -> Call:
    """Raises Problem 400 when the envelope is wrong, with what is wrong in the operations too."""
    try:
        envelope = _CALL.run_validation(raw)
    except serializers.ValidationError as error:
        wrong = problems.of(error)
        if isinstance(raw, dict) and "operations" not in cast(dict[str, Any], error.detail):
            check(_parsed_all(raw["operations"]), wrong.errors)
        raise wrong from error
    return Call(envelope["mode"] == "atomic", envelope["dry_run"], _parsed_all(envelope["operations"]))


def check(operations: Sequence[Parsed], errors: Sequence[Mapping[str, str]] = ()) -> None:
    """Raises one Problem 400 with every bad field of every operation, behind `errors`."""
    errors = [*errors, *(error for one in operations if isinstance(one, Problem) for error in one.errors)]
    if errors:
        raise Problem("invalid-body", errors=errors[: problems.MOST_ERRORS])


def task_of(raw: Any) -> UUID | None:
    """The existing task that an operation names, whatever else may be wrong with it."""
    if not isinstance(raw, dict) or raw.get("op") not in ("update", "delete", "restore"):
        return None
    try:
        return parameters.identifier(raw["id"])
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def _parsed_all(raw: Sequence[Any]) -> list[Parsed]:
    return [_parsed(index, one) for index, one in enumerate(raw)]


def _parsed(index: int, raw: Any) -> Parsed:
    try:
        return _operation(raw)
    except serializers.ValidationError as error:
        return problems.of(serializers.ValidationError({"operations": {str(index): error.detail}}))


def _operation(raw: Any) -> Operation:
    if not isinstance(raw, dict):
        _OBJECT.run_validation(raw)
    try:
        op = _OP.run_validation(raw.get("op", serializers.empty))
    except serializers.ValidationError as error:
        raise serializers.ValidationError({"op": error.detail}) from error
    values = _KINDS[op].run_validation(raw)
    return Operation(op, values.get("id"), IfMatch.version(values.get("if_match")), values.get("body", {}))
