"""Problem documents (RFC 9457) for every answer that is not 2xx or 3xx.

`CATALOGUE` is the one list of problem types: their titles and the text of their pages at /problems/<slug>.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import orjson
from django.conf import settings
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import DatabaseError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from rest_framework import exceptions

from config.observability import context

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
ACCEPT_PATCH = "application/merge-patch+json, application/json"
MOST_ERRORS = 1_000  # of one body: an answer must not be many times as long as what was sent
QUOTA_EXCEEDED = "https://iana.org/assignments/http-problem-types#quota-exceeded"
REDUCED_CAPACITY = "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity"


@dataclass(frozen=True, slots=True)
class Kind:
    status: int
    title: str
    explanation: str
    uri: str | None = None  # a registered type instead of our own page


CATALOGUE: dict[str, Kind] = {
    "bad-request": Kind(400, "Bad request", "A header or the request line is malformed; `detail` names it."),
    "invalid-body": Kind(
        400,
        "Invalid body",
        "The body is not JSON, or fields are wrong. `errors` lists every bad field with a JSON pointer.",
    ),
    "invalid-parameter": Kind(
        400,
        "Invalid query parameter",
        "A query parameter is unknown, repeated or has a wrong value. `errors` names it. Nothing is ignored.",
    ),
    "invalid-cursor": Kind(
        400,
        "Invalid cursor",
        "A cursor is opaque and belongs to one caller, one filter and one sort. Start again without it.",
    ),
    "unauthenticated": Kind(
        401,
        "Authentication needed",
        "Send a Keycloak access token as `Authorization: Bearer …`. `WWW-Authenticate` says what was wrong.",
    ),
    "forbidden": Kind(
        403,
        "Not allowed",
        "Your roles do not hold the permission that this call needs; `required_permission` names it.",
    ),
    "not-found": Kind(404, "Not found", "It does not exist, or you may not know of it."),
    "method-not-allowed": Kind(405, "Method not allowed", "`Allow` lists the methods of this address."),
    "not-acceptable": Kind(406, "Not acceptable", "Answers are application/json; ask for that."),
    "conflict": Kind(409, "Conflict", "The state of the object does not allow this; `detail` says why."),
    "in-flight": Kind(
        409,
        "Still running",
        "The first call with this Idempotency-Key has not ended. Repeat after `Retry-After` seconds.",
    ),
    "gone": Kind(410, "Gone", "It existed and was removed for good."),
    "cursor-expired": Kind(
        410,
        "Cursor too old",
        "The log no longer holds what came after this cursor: they outlive 30 days. Read the lists anew, then the feed "
        "without a cursor.",
    ),
    "length-required": Kind(411, "Length required", "Send `Content-Length`; chunked bodies are not read."),
    "precondition-failed": Kind(
        412,
        "Changed meanwhile",
        "Somebody changed it since the version in your `If-Match`. `version` is the current one: get it, merge, "
        "and try again.",
    ),
    "too-large": Kind(413, "Body too large", "Bodies may hold `limit` bytes."),
    "unsupported-media-type": Kind(
        415, "Unsupported media type", "Send application/json, or application/merge-patch+json with PATCH."
    ),
    "range-not-satisfiable": Kind(416, "Range not satisfiable", "The range begins behind the end of the file."),
    "idempotency-mismatch": Kind(
        422,
        "Key used for another call",
        "This Idempotency-Key was used with another body. Make a new key for each new call.",
    ),
    "precondition-required": Kind(
        428, "Precondition required", "This client must send `If-Match` with the version it has seen."
    ),
    "rate-limited": Kind(429, "Too many calls", "Wait `Retry-After` seconds.", QUOTA_EXCEEDED),
    "internal": Kind(
        500, "Internal error", "Our fault. The request id finds the reason in the logs; a retry may work."
    ),
    "unavailable": Kind(
        503,
        "Temporarily unavailable",
        "A part that this call needs is down. Repeat after `Retry-After` seconds, a write with the same"
        " `Idempotency-Key`: when only its answer was lost, it is not done twice.",
        REDUCED_CAPACITY,
    ),
}


class Problem(exceptions.APIException):
    """An answer that is not a success. `errors` are items of {"pointer" | "parameter", "code", "detail"}."""

    def __init__(
        self,
        slug: str,
        detail: str = "",
        *,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, Any] | None = None,
    ) -> None:
        kind = CATALOGUE[slug]
        super().__init__(detail or kind.explanation)
        self.slug, self.kind, self.status_code = slug, kind, kind.status
        self.errors, self.headers, self.members = list(errors), dict(headers or {}), dict(members or {})


def unavailable(detail: str, retry_after: int = 1) -> Problem:
    return Problem("unavailable", detail, headers={"Retry-After": str(retry_after)})


def document(problem: Problem, instance: str) -> dict[str, Any]:
    body: dict[str, Any] = {
        "type": problem.kind.uri or f"/problems/{problem.slug}",
        "title": problem.kind.title,
        "status": problem.status_code,
        "detail": str(problem.detail),
        "instance": instance,
        "request_id": context.request_id.get(),
        **problem.members,
    }
    if problem.errors:
        body["errors"] = problem.errors
    return body


def respond(problem: Problem, request: HttpRequest) -> HttpResponse:
    body = document(problem, request.path)
    headers = {"Cache-Control": "no-store", **problem.headers}
    return HttpResponse(
        orjson.dumps(body, default=str), status=problem.status_code, content_type=MEDIA_TYPE, headers=headers
    )


def of(error: BaseException) -> Problem:  # noqa: PLR0911, PLR0912 (one case a line)
    """The problem that an exception stands for; an unknown one is a 500 and gets logged with its traceback."""
    match error:
        case Problem():
            return error
        case Http404() | exceptions.NotFound():
            return Problem("not-found")
        case exceptions.MethodNotAllowed():
            return Problem("method-not-allowed", str(error.detail))
        case exceptions.UnsupportedMediaType():
            return Problem("unsupported-media-type", str(error.detail))
        case exceptions.NotAcceptable():
            return Problem("not-acceptable", str(error.detail))
        case exceptions.NotAuthenticated() | exceptions.AuthenticationFailed():
            return Problem("unauthenticated", str(error.detail), headers=_challenge(error))
        case PermissionDenied() | exceptions.PermissionDenied():
            return Problem("forbidden", str(error))
        case exceptions.ValidationError():
            return Problem("invalid-body", errors=list(islice(_field_errors(error.detail), MOST_ERRORS)))
        case exceptions.ParseError():
            return Problem("invalid-body", str(error.detail))
        case UnreadablePostError():
            return Problem("bad-request", "The body ended before its Content-Length.")
        case SuspiciousOperation():  # such as more than a thousand query parameters
            return Problem("bad-request", "The request is malformed or has too many parts.")
        case OperationalError() | InterfaceError():
            logger.warning("database unavailable", extra={"error": str(error)})
            # Not "nothing was changed": it may have been the answer to COMMIT that was lost.
            return unavailable("The database does not answer. Repeat a write with its Idempotency-Key: it may be done.")
        case DatabaseError() if _read_only(error):
            logger.warning("database read-only", extra={"error": str(error)})
            return unavailable("The database takes no writes at the moment. Nothing was changed.")
        case _:
            logger.error("unhandled error", exc_info=error)
            return Problem("internal")


def _read_only(error: DatabaseError) -> bool:
    """A standby was asked to write: the pooler points to a server that is not promoted yet."""
    return getattr(error.__cause__, "sqlstate", None) == "25006"


def _challenge(error: exceptions.APIException) -> dict[str, str]:
    return {"WWW-Authenticate": getattr(error, "auth_header", None) or 'Bearer realm="taskmill"'}


def _field_errors(detail: Any, pointer: str = "#") -> Any:
    """Every leaf of a DRF error tree, as (JSON pointer, code, text)."""
    if isinstance(detail, dict):
        for name, inner in detail.items():
            step = "" if name == "non_field_errors" else f"/{escaped(str(name))}"
            yield from _field_errors(inner, pointer + step)
    elif isinstance(detail, list):
        for index, inner in enumerate(detail):
            nested = isinstance(inner, dict | list) and inner
            yield from _field_errors(inner, f"{pointer}/{index}" if nested else pointer)
    else:
        yield {"pointer": pointer, "code": getattr(detail, "code", "invalid"), "detail": str(detail)}


def escaped(name: str) -> str:
    """A member's name as a step of a JSON pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")


def handle(error: Exception, handler_context: dict[str, Any]) -> HttpResponse:
    """DRF's exception handler."""
    request = handler_context["request"]._request
    problem = of(error)
    if isinstance(error, exceptions.MethodNotAllowed):
        problem.headers["Allow"] = ", ".join(handler_context["view"].allowed_methods)
    if isinstance(error, exceptions.UnsupportedMediaType) and request.method == "PATCH":
        problem.headers["Accept-Patch"] = ACCEPT_PATCH
    return respond(problem, request)


def explanation_page(request: HttpRequest, slug: str) -> HttpResponse:
    """GET /problems/<slug>: what a problem type means, for the person who follows its `type`."""
    if slug not in CATALOGUE:
        return respond(Problem("not-found", "There is no such problem type."), request)
    kind = CATALOGUE[slug]
    text = f"{kind.title} ({kind.status})\n\n{kind.explanation}\n\nAll about errors: {settings.SITE_URL}/v1/docs\n"
    return HttpResponse(text, content_type="text/plain; charset=utf-8")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return respond(Problem("not-found", "There is no such address."), request)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return respond(Problem("bad-request", "The request is malformed."), request)


def server_error(request: HttpRequest) -> HttpResponse:
    return respond(Problem("internal"), request)
