"""/v1/me/preferences: what the caller wants to be told of, where, and in which time zone."""

from typing import Any, ClassVar
from zoneinfo import available_timezones

import orjson
from django.http import HttpResponse
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request

from accounts.principal import principal
from config.api import bodies, fields, preconditions
from config.api.answers import Answer
from config.api.idempotency import perform
from config.api.preconditions import IfMatch
from config.api.schema import IDEMPOTENCY_KEY, IF_MATCH, IF_NONE_MATCH, operation, operations
from config.api.views import ApiViewSet
from config.data import reading, transactions
from notifications.models import Preferences
from notifications.services import preferences
from notifications.services.preferences import CHANNELS, TYPES

# What a system calls its own time zone, or that it has none: not the same on another system.
_ZONES = available_timezones() - {"localtime", "Factory"}


class TimeZone(fields.Text):
    default_error_messages = {"unknown": "Expected the name of a time zone, such as Europe/Berlin."}

    def to_internal_value(self, data: Any) -> str:
        name = super().to_internal_value(data)
        if name not in _ZONES:
            self.fail("unknown")
        return name


class Members(serializers.Field[dict[str, Any], Any, Any, Any]):
    """A JSON object whose members' names hold dots, which a serializer takes for paths. All are optional, or null."""

    default_error_messages = {"invalid": "Expected a JSON object.", "unknown": "There is no such field."}

    def __init__(self, members: dict[str, serializers.Field[Any, Any, Any, Any]], **more: Any) -> None:
        super().__init__(required=False, allow_null=True, **more)
        self.members = members

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            self.fail("invalid")
        values, errors = {}, {}
        for name, value in data.items():
            try:
                values[name] = (
                    self.members[name].run_validation(value) if name in self.members else self.fail("unknown")
                )
            except serializers.ValidationError as error:
                errors[name] = error.detail
        if errors:
            raise serializers.ValidationError(errors)
        return values


_FLAGS: dict[str, Any] = {
    "type": ["object", "null"],
    "properties": {channel: {"type": ["boolean", "null"]} for channel in CHANNELS},
    "additionalProperties": False,
}


@extend_schema_field({"type": "object", "properties": dict.fromkeys(TYPES, _FLAGS), "additionalProperties": False})
class Notifications(Members):
    """By event type, by channel."""


def _channels() -> Members:
    return Members({channel: fields.Flag(allow_null=True) for channel in CHANNELS})


class PreferencesPatch(fields.Body):
    """A JSON merge patch (RFC 7396): what is not sent is not touched, null is the default again."""

    time_zone = TimeZone(
        blank=False, required=False, allow_null=True, help_text="A name of the IANA database. Default: UTC."
    )
    notifications = Notifications(
        {type: _channels() for type in TYPES}, help_text="By event type and channel. Default: all on."
    )


class PreferencesOut(serializers.Serializer[Any]):
    time_zone = serializers.CharField(help_text="Of the times in mails.")
    notifications = serializers.DictField(
        child=serializers.DictField(child=serializers.BooleanField()), help_text="By event type and channel."
    )


PATCH = PreferencesPatch(partial=True)
EXAMPLE = OpenApiExample(
    "preferences",
    value={"time_zone": "Europe/Berlin", "notifications": {"task.completed": {"email": False}}},
    request_only=True,
)


@operations(
    retrieve=extend_schema(
        summary="What do I want to be told?",
        description="Your preferences; everything is on for one who has said nothing. Needs `tasks:read`.",
        parameters=[IF_NONE_MATCH],
        **operation(PreferencesOut, errors=(400,)),
    ),
    partial_update=extend_schema(
        summary="Change what I am told",
        description="A merge patch. It counts for what happens from then on. Needs `tasks:read`.",
        request={"application/merge-patch+json": PreferencesPatch, "application/json": PreferencesPatch},
        parameters=[IDEMPOTENCY_KEY, IF_MATCH],
        examples=[EXAMPLE],
        **operation(PreferencesOut, errors=(400, 409, 412, 413, 415, 422)),
    ),
)
class PreferencesView(ApiViewSet):
    required: ClassVar = {"retrieve": "tasks:read", "partial_update": "tasks:read"}

    def retrieve(self, request: Request) -> HttpResponse:
        found = reading.read(lambda: preferences.of(principal(request).id))
        return preconditions.representation(request._request, found.version, _render(found))

    def partial_update(self, request: Request) -> HttpResponse:
        patch = PATCH.run_validation(bodies.of(request))
        if_match = IfMatch.of(request._request)

        def write(locked: bool) -> Answer:
            found = preferences.change(principal(request).id, patch, if_match)
            headers = {"ETag": preconditions.etag(found.version)}
            return Answer(200, _render(found), headers, xid=transactions.current_id())

        return perform(request, write)


def _render(found: Preferences) -> bytes:
    return orjson.dumps(preferences.render(found))
