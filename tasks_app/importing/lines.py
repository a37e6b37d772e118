"""What a row of an import may say: all that a call may, with the same rules, and what only an operator may choose."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid5

import orjson
from rest_framework.exceptions import ValidationError

from config.api import fields, problems
from config.data import ids, times
from tasks_app.api.serializers import TaskCreate
from tasks_app.importing.files import Wrong
from tasks_app.models import Status
from tasks_app.representation import plain
from tasks_app.services.rules import DEFAULTS

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OURS = ("owner", "id", "created_at", "completed_at")


class TaskImport(TaskCreate):
    owner = fields.Text(min_length=1, max_length=255, help_text="A user id or a username.")
    id = fields.Identifier(required=False, allow_null=True)
    created_at = fields.Time(required=False, allow_null=True)
    completed_at = fields.Time(required=False, allow_null=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        values = {name: value for name, value in attrs.items() if value is not None or name not in _OURS}
        if errors := dict(_contradictions(values, times.now())):
            raise ValidationError({name: [text] for name, text in errors.items()})
        return values


def _contradictions(values: dict[str, Any], now: datetime) -> Iterator[tuple[str, str]]:
    """Fields and what is wrong with them."""
    identifier, created, completed = (values.get(name) for name in ("id", "created_at", "completed_at"))
    for name, at in (("created_at", created), ("completed_at", completed)):
        if at is not None and not _EPOCH <= at <= now:
            yield name, "Expected a time from 1970 until now."
    if identifier is not None and (wrong := _wrong_id(identifier, created, now)):
        yield "id", wrong
    elif identifier is not None:
        created = ids.instant(identifier)
    if completed is not None and values.get("status") != Status.COMPLETED:
        yield "completed_at", "The task is not completed."
    elif completed is not None and created is not None and completed < created:
        yield "completed_at", "It is before the task was created."


def _wrong_id(identifier: UUID, created: datetime | None, now: datetime) -> str | None:
    if identifier.version != 7:
        return "Expected a UUID of version 7."
    if identifier >= ids.floor(now + timedelta(milliseconds=1)):
        return "Its time is in the future."
    if created not in (None, ids.instant(identifier)):
        return f"Its time is {times.rfc3339(ids.instant(identifier))}, which is not created_at."
    return None


_ROW = TaskImport()
COLUMNS = {name: field.required for name, field in _ROW.fields.items()}


@dataclass(frozen=True, slots=True)
class Line:
    """A right row. `key` names it among the rows of its file; equal rows that give no id have one."""

    number: int
    owner: str  # a user id or a username
    fields: dict[str, Any]  # as a call that makes a task has them
    id: UUID | None
    created_at: datetime | None
    completed_at: datetime | None
    key: UUID

    @property
    def at(self) -> datetime | None:
        """When the task was made, as far as the row tells."""
        if self.id is not None:
            return ids.instant(self.id)
        return self.created_at or self.completed_at

    def name(self, number: int) -> UUID:
        """Of equal rows of a file that give no id, each has a `number` and so a name."""
        return uuid5(self.key, str(number))


def read(number: int, value: Any) -> Line:
    """Raises Wrong, with every reason."""
    if isinstance(value, Wrong):
        raise value
    try:
        values: dict[str, Any] = _ROW.run_validation(value)
    except ValidationError as error:
        raise Wrong(reasons(problems.of(error))) from error
    ours = {name: values.pop(name, None) for name in _OURS}
    return Line(number=number, fields=values, key=ours["id"] or _key({**values, **ours}), **ours)


def reasons(problem: problems.Problem) -> str:
    return " ".join(map(_reason, problem.errors))


def _reason(error: Mapping[str, str]) -> str:
    where = error["pointer"].removeprefix("#").removeprefix("/")
    return f"{where}: {error['detail']}" if where else error["detail"]


def _key(values: dict[str, Any]) -> UUID:
    """Of the content. It must be the same in every later version, or a second run would make the tasks again: a new
    field with its default must not show, hence what is said as a default counts as not said."""
    said = {name: plain(value) for name, value in values.items() if value != DEFAULTS.get(name)}
    return UUID(bytes=sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).digest()[:16])
