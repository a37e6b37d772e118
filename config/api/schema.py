"""The OpenAPI 3.1 document: what all operations share. Served from the committed snapshot (see `document`)."""

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from django.http import HttpRequest, HttpResponse
from drf_spectacular.extensions import OpenApiSerializerFieldExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    extend_schema_serializer,
    inline_serializer,
)
from rest_framework import serializers

from config.api import pagination
from config.api.problems import CATALOGUE, MEDIA_TYPE

T = TypeVar("T")

SNAPSHOT = Path(__file__).with_name("openapi.json")
RELEASED = Path(__file__).with_name("openapi.released.json")  # what clients were last promised

# As the code reads them; without white space at the ends, which no header field has.
_KEY = r'^("[ !#-~]{1,255}"|[!#-~]([ -~]{0,253}[!-~])?)$'
_TAG = r'(W/)?"[!#-~]*"'
_TAGS = {"type": "string", "pattern": rf"^(\*|{_TAG}( *, *{_TAG})*)$"}
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": 257, "pattern": _KEY},
    OpenApiParameter.HEADER,
    description=(
        "Makes the call safe to repeat for 24 h: the same key with the same body gets the first answer again, "
        "with `Idempotency-Replayed: true`; with another body 422; while the first call runs 409. Printable "
        "ASCII, bare or in quotes."
    ),
)
IF_MATCH = OpenApiParameter(
    "If-Match",
    _TAGS,
    OpenApiParameter.HEADER,
    description='The version you have seen, such as `"3"`: 412 when it has changed since. `*`: it exists.',
)
IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match",
    _TAGS,
    OpenApiParameter.HEADER,
    description='The version you have, such as `"3"`: 304 when it still stands.',
)


CONSISTENCY_TOKEN = OpenApiParameter(
    "Consistency-Token",
    {"type": "string", "pattern": "^[0-9]{1,19}:[A-Za-z0-9_-]{43}$"},
    OpenApiParameter.HEADER,
    description="That of a write's answer: this call sees it, and never an older state. Your own writes need none.",
)


class Schema(AutoSchema):
    """Names operations by resource and action (`tasks_list`), and groups them by the first path segment."""

    def get_tags(self) -> list[str]:
        return [self.path.removeprefix("/v1/").split("/")[0]]

    def get_override_parameters(self) -> list[Any]:
        """Every read takes a token; `extend_schema` puts an operation's own parameters in front."""
        return [CONSISTENCY_TOKEN] if self.method == "GET" else []

    def map_parsers(self) -> list[str]:
        """The second media type is that of patches; elsewhere it is refused."""
        return list(super().map_parsers())[: 2 if self.method == "PATCH" else 1]

    def get_auth(self) -> list[dict[str, list[str]]]:
        return [{"keycloak": []}]


class UniqueTexts(OpenApiSerializerFieldExtension):
    """drf-spectacular finds it as soon as it is defined."""

    target_class = "config.api.fields.Texts"

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Any) -> Any:
        schema = auto_schema._map_serializer_field(self.target, direction, bypass_extensions=True)
        return {**schema, "uniqueItems": True}


class ProblemDocument(serializers.Serializer[Any]):
    """RFC 9457. The answer to everything that did not succeed."""

    type = serializers.CharField(help_text="A page that explains the problem.")
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    instance = serializers.CharField()
    request_id = serializers.CharField(help_text="Names this call in the logs.")
    errors = serializers.ListField(  # type: ignore[assignment]  # a member's name, not the property
        child=serializers.DictField(child=serializers.CharField()),
        required=False,
        help_text='Each wrong part: {"pointer": "#/due_at", "code", "detail"} or {"parameter", …}.',
    )


def operations(**described: Callable[[Any], Any]) -> Callable[[type[T]], type[T]]:
    """Describes the actions of a viewset, whatever their names (`extend_schema_view` knows DRF's own names only)."""

    def decorate(view: type[T]) -> type[T]:
        for action, describe in described.items():
            setattr(view, action, describe(getattr(view, action)))
        return view

    return decorate


_ALWAYS = (400, 401, 403, 429, 503)


def operation(answer: Any, *, status: int = 200, errors: Sequence[int] = ()) -> dict[str, Any]:
    """The `responses` of an operation: its success and every problem that it can answer."""
    responses: dict[Any, Any] = {status: answer or OpenApiResponse(description="Done, no content.")}
    for code in sorted({*errors, *_ALWAYS}):
        responses[code, MEDIA_TYPE] = _problem(code)
    return {"responses": responses}


def binary(*media: str, errors: Sequence[int]) -> dict[str, Any]:
    """The `responses` of a download of one of these media types."""
    whole, part = OpenApiResponse(bytes, description="The file."), OpenApiResponse(bytes, description="The range.")
    responses = operation(None, errors=errors)["responses"]
    files = {(status, kind): file for kind in media for status, file in ((200, whole), (206, part))}
    return {"responses": {**files, **{k: v for k, v in responses.items() if k != 200}}}


@cache
def _problem(status: int) -> OpenApiResponse:
    kinds = {slug: kind for slug, kind in CATALOGUE.items() if kind.status == status}
    examples = [
        OpenApiExample(
            slug,
            value={
                "type": kind.uri or f"/problems/{slug}",
                "title": kind.title,
                "status": status,
                "detail": kind.explanation,
                "instance": "/v1/tasks",
                "request_id": "0192f0c1d2e34b5a",
            },
            media_type=MEDIA_TYPE,
        )
        for slug, kind in kinds.items()
    ]
    title = " / ".join(kind.title for kind in kinds.values())
    return OpenApiResponse(ProblemDocument, description=title, examples=examples)


@cache
def page_of(serializer: type[serializers.Serializer[Any]], **members: serializers.Field[Any, Any, Any, Any]) -> Any:
    """The envelope of a list, with `members` of its own.

    `many`: without it, drf-spectacular makes an array of what an action `list` answers.
    """
    envelope = inline_serializer(
        f"{serializer.__name__}Page",
        fields={
            "results": serializer(many=True),
            "next_cursor": serializers.CharField(allow_null=True, help_text="For the next page; null on the last one."),
            **members,
        },
    )
    extend_schema_serializer(many=False)(type(envelope))
    return envelope


def parameter(name: str, description: str, type_: Any = OpenApiTypes.STR, **more: Any) -> OpenApiParameter:
    """A query parameter."""
    return OpenApiParameter(name, type_, OpenApiParameter.QUERY, description=description, **more)


CURSOR = {"type": "string", "minLength": 1, "pattern": "^[A-Za-z0-9_-]+$"}
PAGE_PARAMETERS = [
    parameter(
        "page_size",
        f"1 to {pagination.MAX_SIZE}.",
        {"type": "integer", "minimum": 1, "maximum": pagination.MAX_SIZE},
        default=pagination.DEFAULT_SIZE,
    ),
    parameter(
        "cursor",
        "The `next_cursor` of the page before; goes on with any page_size.",
        CURSOR,
    ),
]


def document(request: HttpRequest) -> HttpResponse:
    """GET /v1/openapi.json: the snapshot that `make check` holds against the code, so it costs nothing to serve."""
    return HttpResponse(_snapshot(), content_type="application/json")


@cache
def _snapshot() -> bytes:
    return SNAPSHOT.read_bytes()
