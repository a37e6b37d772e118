"""Strict input fields: a value of another JSON type is refused, never converted; text is kept byte for byte."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.utils.functional import cached_property
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from config.api import bodies, parameters
from config.data import times


class Text(serializers.CharField):
    """A JSON string of `min_length`..`max_length` characters, untouched. White space alone is no title."""

    default_error_messages = {"invalid": "Expected a string.", "blank": "May not be blank."}

    def __init__(self, *, blank: bool = True, **more: Any) -> None:
        allow_blank = blank and not more.get("min_length")
        # None but those that `_is_right` knows too.
        super().__init__(trim_whitespace=False, allow_blank=allow_blank, validators=[], **more)
        self.blank = blank

    def run_validation(self, data: Any = serializers.empty) -> Any:
        if isinstance(data, str) and self._is_right(data):
            return self.to_internal_value(data)
        # DRF takes an empty text past all validators, so that `allow_blank` alone decides about it.
        if isinstance(data, str) and not self.blank and not data.strip():
            self.fail("blank")
        return super().run_validation(data)

    def _is_right(self, text: str) -> bool:
        """Whether DRF's validators would find nothing; they look at each character in Python."""
        long_enough = max(1, self.min_length or 0) <= len(text) <= (self.max_length or len(text))
        return long_enough and (self.blank or bool(text.strip())) and "\0" not in text and _is_writable(text)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return str(data)


def _is_writable(text: str) -> bool:
    """Whether it holds no lone surrogate."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class Choice(serializers.ChoiceField):
    # What was sent is not repeated: it may be a megabyte, or nested too deeply to be written.
    default_error_messages = {"invalid_choice": "Expected one of {expected}."}

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str) or data not in self.choices:
            self.fail("invalid_choice", expected=", ".join(map(str, self.choices)))
        return data


class Flag(serializers.BooleanField):
    """A JSON boolean; no text or number stands for one."""

    default_error_messages = {"invalid": "Expected true or false."}

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class Whole(serializers.IntegerField):
    """A JSON number without a fraction; however it is written (config.api.bodies), as JSON has one type of numbers."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**{"max_value": bodies.EXACT - 1, **more})

    default_error_messages = {"invalid": "Expected a whole number."}

    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, int) or isinstance(data, bool):
            self.fail("invalid")
        return data


class Identifier(serializers.UUIDField):
    """A UUID as our answers spell it."""

    default_error_messages = {"invalid": "Expected a lower-case UUID."}

    def to_internal_value(self, data: Any) -> UUID:
        try:
            return parameters.identifier(data)
        except (AttributeError, TypeError, ValueError):
            self.fail("invalid")


@extend_schema_field(OpenApiTypes.DATETIME)
class Time(serializers.Field[datetime, str, str, Any]):
    """RFC 3339 with an offset, kept in UTC with whole milliseconds."""

    default_error_messages = {"invalid": "Expected a time with an offset, such as 2026-01-31T12:00:00Z."}

    def to_internal_value(self, data: Any) -> datetime:
        try:
            at = parameters.time(data)
        except (TypeError, ValueError):
            self.fail("invalid")
        return times.whole_milliseconds(at)

    def to_representation(self, value: datetime) -> str:
        return times.rfc3339(value.astimezone(UTC))


class Texts(serializers.ListField):
    """A JSON array of unique strings."""

    default_error_messages = {"not_a_list": "Expected an array.", "twice": "Holds an item twice."}

    def to_internal_value(self, data: Any) -> list[str]:
        if not isinstance(data, list):
            self.fail("not_a_list", input_type=type(data).__name__)
        if self.max_length is not None and len(data) > self.max_length:
            self.fail("max_length", max_length=self.max_length)  # before a report on each of a million items
        texts: list[str] = super().to_internal_value(data)
        if len(set(texts)) != len(texts):
            self.fail("twice")
        return texts


class Body(serializers.Serializer[Any]):
    """A JSON object with the declared members and no others. Every bad member is reported, not only the first.

    Kept as one instance a process and used through `run_validation`: making one copies every field.
    """

    default_error_messages = {"invalid": "Expected a JSON object."}

    def run_validators(self, value: Any) -> None:
        """There are none of a whole object; to find that out DRF makes a copy."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            self.fail("invalid")
        values, errors = {}, {}
        for name, field in self._known.items():
            if name not in data and not field.required and field.default is serializers.empty:
                continue  # DRF finds that out by an exception, which costs as much as the fields that are there
            try:
                values[name] = field.run_validation(data.get(name, serializers.empty))
            except serializers.ValidationError as error:
                errors[name] = error.detail
        for name in data:
            if name not in self._known:
                errors[name] = [serializers.ErrorDetail("There is no such field.", code="unknown")]
        if errors:
            raise serializers.ValidationError(errors)
        return values

    @cached_property
    def _known(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        return {name: field for name, field in self.fields.items() if not field.read_only}
