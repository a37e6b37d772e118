from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from config.api import fields
from exports.models import Format, Status


@extend_schema_field(OpenApiTypes.OBJECT)
class Filter(serializers.Field[dict[str, Any], Any, Any, Any]):
    """The list's parameters with the same text values; `label` may be an array."""

    default_error_messages = {"invalid": "Expected an object of the task list's filters."}

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            self.fail("invalid")
        return dict(data)


class ExportCreate(fields.Body):
    format = fields.Choice(choices=Format.choices)
    filter = Filter(required=False, help_text='As the task list\'s query: {"status": "completed"}.')


class ExportOut(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    format = serializers.ChoiceField(choices=Format.choices)
    filter = serializers.DictField()
    status = serializers.ChoiceField(choices=Status.choices)
    progress = serializers.FloatField(help_text="0 to 1.")
    rows = serializers.IntegerField()
    bytes = serializers.IntegerField()
    error = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)


CREATE = ExportCreate()
