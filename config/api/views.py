"""The base of every /v1 viewset: the order of checks, the headers that each answer has, where reads go."""

import contextlib
from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar, cast

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from rest_framework.authentication import BaseAuthentication
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.viewsets import ViewSet

from config.api import bodies, keyed, limits, parameters, problems
from config.api.caller import caller
from config.api.permissions import OPTIONS, Required
from config.api.problems import Problem
from config.api.renderers import JSONRenderer
from config.api.request import ApiRequest
from config.cache import gate, marks
from config.cache.shelf import Look, Place
from config.data import consistency, reading
from config.observability import context
from config.server import later

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_RENDERER, _NEGOTIATION = JSONRenderer(), bodies.Negotiation()


@cache
def _instances(classes: tuple[type[Any], ...]) -> list[Any]:
    return [each() for each in classes]


@cache
def allowed(*methods: str) -> str:
    """`Allow` of a route of which these methods have actions."""
    have = {*methods, "options"} | ({"head"} if "get" in methods else set())
    return ", ".join(name.upper() for name in ViewSet.http_method_names if name in have)


class ApiViewSet(ViewSet):
    """Deny by default: `required` names the permission of each action, or several of which one is enough; None
    admits any principal.

    Order of checks: token, limits, roles, then what can be judged without the object (query names, body). A call that
    has waited passes them again, uncounted: the token may have ended or been revoked, and roles taken, meanwhile.
    """

    required: ClassVar[Mapping[str, Required]] = {}
    parameters: ClassVar[Mapping[str, frozenset[str]]] = {}  # action -> known query parameters
    takes_body: ClassVar[frozenset[str]] = frozenset({"create", "partial_update", "roles"})  # actions

    # None of these has a state: one of each serves all calls.
    def get_authenticators(self) -> list[BaseAuthentication]:
        return _instances(tuple(self.authentication_classes))

    def get_permissions(self) -> list[Any]:
        return _instances(tuple(self.permission_classes))

    def get_parsers(self) -> list[BaseParser]:
        return _instances(tuple(self.parser_classes))

    @property
    def default_response_headers(self) -> dict[str, str]:
        return {"Allow": allowed(*self.action_map)}

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        method = str(request.method).lower()
        self.action = OPTIONS if method == "options" else self.action_map.get(method)  # type: ignore[assignment]
        return ApiRequest(
            request,
            parsers=self.get_parsers(),
            authenticators=self.get_authenticators(),
            negotiator=_NEGOTIATION,
            parser_context=self.get_parser_context(request),
        )

    def perform_content_negotiation(self, request: Request, force: bool = False) -> tuple[BaseRenderer, str]:
        return _RENDERER, _RENDERER.media_type  # there is one representation; Accept is not asked

    def perform_authentication(self, request: Request) -> None:
        request._authenticate()  # type: ignore[attr-defined] # what DRF's `user` does when it is asked for

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        request.accepted_renderer, request.accepted_media_type = _RENDERER, _RENDERER.media_type
        if later.before(request._request):
            self.cost = 0
        self.perform_authentication(request)
        context.user_id.set(caller(request).id)
        self.check_permissions(request)
        if not self.action:
            return  # no such method here: 405, whatever the query and the body are
        _demand(request._request)
        if (problem := bodies.refusal(request._request)) is not None:
            raise problem
        self.check_parameters(request)
        if request.method not in SAFE and self.action not in self.takes_body:
            check_no_body(request)

    def check_parameters(self, request: Request) -> None:
        """Every view knows its parameters; the repeatable ones it reads itself."""
        parameters.check(request._request, self.parameters.get(self.action or "", frozenset()), self.repeatable)

    repeatable: ClassVar[frozenset[str]] = frozenset()

    def place(self, request: Request, subject: str) -> Place | None:
        """Where that which this call reads may be kept; it is looked up when the caller is."""
        return None

    def beside(self, request: Request, subject: str) -> tuple[str, str] | None:
        """(policy, who) under which this call counts besides `user`."""
        return None

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        with reading.scope(None, replicas=request.method in SAFE):
            response = super().dispatch(request, *args, **kwargs)
        if response.status_code == 304:
            limits.refund(request)
        finish(request, response)
        return response

    def handle_exception(self, exc: Exception) -> HttpResponse:  # type: ignore[override]
        """The problem document; that of a write is kept under its Idempotency-Key, wherever it was raised."""
        response = cast(HttpResponse, super().handle_exception(exc))
        if self.request.method in SAFE:
            return response
        key = keyed.of_refused(self.request, exc, response)
        if key is None or not self.takes_key(self.request):
            return response
        try:
            return keyed.keep_refusal(key, response)
        except DatabaseError as error:  # nothing would keep the key from being used for another call
            return cast(HttpResponse, super().handle_exception(error))

    def takes_key(self, request: Request) -> bool:
        """Whether a write takes its Idempotency-Key; its body was read."""
        return True

    def options(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:  # type: ignore[override]
        """What may be called here: `Allow` is on every answer."""
        response = HttpResponse(status=204)
        del response.headers["Content-Type"]
        if "PATCH" in self.allowed_methods:
            response.headers["Accept-Patch"] = problems.ACCEPT_PATCH
        return response


def check_no_body(request: Request) -> None:
    """What is sent is never ignored in silence; an empty object, which some clients always send, says nothing."""
    if request.data != {}:
        raise Problem("invalid-body", "This call takes no body.")


def _demanded_states(request: HttpRequest) -> tuple[int, ...]:
    raw = request.META.get("HTTP_CONSISTENCY_TOKEN")  # `headers` would be made of all of them
    if raw is None:
        return ()
    try:
        return (consistency.decode(raw),)
    except consistency.MalformedToken as error:
        raise Problem("bad-request", "Consistency-Token is not a token of this server.") from error


def _demand(request: HttpRequest) -> None:
    states = _demanded_states(request)
    reading.demand(states)
    look = look_of(request)
    if look is not None and states:
        look.after = max(states)


def look_of(request: HttpRequest) -> Look | None:
    """What was found at the view's `place`; None when nothing can be known."""
    return request.__dict__.get("look")


def wrote(request: Request, response: HttpResponseBase, xid: int) -> None:
    """Called after a commit: the caller's next reads see it, wherever they go."""
    writer = caller(request).id
    if not marks.told(xid, writer):  # before the commit, with its event
        gate.remember_write(writer, xid)
    response.headers[consistency.HEADER] = consistency.encode(xid)


def remember_again(request: Request, replay: HttpResponseBase) -> None:
    """`wrote`, for an answer that was stored with its token: the first one may never have arrived."""
    token = replay.headers.get(consistency.HEADER)
    if token is not None:
        with contextlib.suppress(consistency.MalformedToken):  # signed with a key that was changed since
            gate.remember_write(caller(request).id, consistency.decode(token))


def finish(request: HttpRequest, response: HttpResponseBase) -> None:
    """What each answer of /v1 says of its keeping and of the caller's limits."""
    headers = response.headers
    headers.setdefault("Cache-Control", "private, no-cache")
    headers["Vary"] = "Authorization"
    limits.tell(request, response)
