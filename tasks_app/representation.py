"""A task as JSON. The read path lets PostgreSQL write it (no model, no serializer); the write path knows all
values and writes it here. Both forms are equal byte for byte: tests/tasks_app/test_representation.py.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any

import orjson
from django.db.models import TextField
from django.db.models.expressions import RawSQL

from config.data import times

_PLAIN = ("id", "title", "description", "status", "priority", "labels", "owner", "assignee", "version")
FIELDS = (
    "id",
    "title",
    "description",
    "status",
    "priority",
    "due_at",
    "labels",
    "owner",
    "assignee",
    "version",
    "created_at",
    "updated_at",
    "completed_at",
    "deleted_at",
)
# The model's name of each column, for `values()`.
COLUMNS = tuple({"owner": "owner_id", "assignee": "assignee_id"}.get(field, field) for field in FIELDS)
_IN_ORDER = itemgetter(*COLUMNS)


def _column(field: str) -> str:
    if field in _PLAIN:
        return f'"task"."{field}"'
    return f"""to_char("task"."{field}" AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "{field}\""""


def as_json(fields: Sequence[str] = FIELDS) -> RawSQL:
    """An expression on Task that is the JSON text of each row (row_to_json writes no white space)."""
    columns = ", ".join(_column(field) for field in FIELDS if field in fields)
    # `%` would be read as a placeholder; there is none in the names above.
    return RawSQL(f"(SELECT row_to_json(r)::text FROM (SELECT {columns}) r)", [], output_field=TextField())  # noqa: S608, S611


def render(values: Mapping[str, Any]) -> bytes:
    """The same JSON from the values of one row, keyed by COLUMNS."""
    row = dict(zip(FIELDS, _IN_ORDER(values), strict=True))
    return orjson.dumps(row, default=times.rfc3339, option=orjson.OPT_PASSTHROUGH_DATETIME)


def plain(value: Any) -> Any:
    """A value as JSON has it: times in UTC with milliseconds and Z (RFC 3339)."""
    if isinstance(value, datetime):
        return times.rfc3339(value)
    return value
