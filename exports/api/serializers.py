from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from config.api import fields
from exports.models import Format, Status
from tasks_app.services import filters
from tasks_app.services.filter_schemas import FILTERS


def _filter(name: str) -> Any:
    schema = FILTERS[name]
    return {"anyOf": [schema, {"type": "array", "items": schema}]} if name in filters.REPEATABLE else schema


@extend_schema_field(
    {"type": "object", "additionalProperties": False, "properties": {name: _filter(name) for name in sorted(FILTERS)}}
)
class Filter(serializers.Field[dict[str, Any], Any, Any, Any]):
    """The list's parameters with the same text values; `label` may be an array."""

    default_error_messages = {"invalid": "Expected an object of the task list's filters."}

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            self.fail("invalid")
        return dict(data)


class ExportCreate(fields.Body):
    """Which tasks are wanted, and as what."""

    format = fields.Choice(choices=Format.choices, help_text="CSV with a head line, or a JSON object a line.")
    filter = Filter(
        required=False, help_text='As the task list\'s query: {"status": "completed"}; all own tasks by default.'
    )


class ExportOut(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    format = serializers.ChoiceField(choices=Format.choices)
    filter = serializers.DictField()
    status = serializers.ChoiceField(choices=Status.choices)
    progress = serializers.FloatField(help_text="0 to 1.")
    rows = serializers.IntegerField(help_text="Tasks that are written by now.")
    bytes = serializers.IntegerField(help_text="The file's size, once it is completed.")
    error = serializers.CharField(allow_null=True, help_text="Why it has failed; else null.")
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True, help_text="When the file goes; null before completion.")


CREATE = ExportCreate()
