"""What everybody may read: probes, the documentation, the pages about problems."""

from collections.abc import Callable
from functools import wraps
from typing import Any, ClassVar

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from rest_framework.request import Request

from config.api import client, limits, problems
from config.api.problems import Problem
from config.api.views import ApiViewSet
from config.cache import gate

_ALLOW = "GET, HEAD, OPTIONS"

View = Callable[..., HttpResponseBase]


def readable(view: View) -> View:
    """The view for GET and HEAD; OPTIONS tells so, and every other method is 405."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method in {"GET", "HEAD"}:
            return view(request, *args, **kwargs)
        if request.method == "OPTIONS":
            response = HttpResponse(status=204, headers={"Allow": _ALLOW})
            del response.headers["Content-Type"]
            return response
        return problems.respond(Problem("method-not-allowed", headers={"Allow": _ALLOW}), request)

    return guarded


def counted(view: View) -> View:
    """The view for callers who are not asked who they are: they count by their address."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            limits.admit(request, gate.count("ip", client.address(request)))
            response = view(request, *args, **kwargs)
        except Problem as problem:
            response = problems.respond(problem, request)
        limits.tell(request, response)
        return response

    return guarded


class _Missing(ApiViewSet):
    """An address below /v1 that there is not, for a caller who says who he is."""

    required: ClassVar = {"missing": None}
    takes_body: ClassVar = frozenset({"missing"})
    default_response_headers: ClassVar = {}  # no `Allow`: nothing is allowed where nothing is

    def check_parameters(self, request: Request) -> None:
        return  # there is nothing that could be known here

    def missing(self, request: Request, **_: Any) -> HttpResponse:
        raise Problem("not-found", "There is no such address.")


_METHODS = ("get", "post", "put", "patch", "delete", "options", "trace")
_missing = _Missing.as_view(dict.fromkeys(_METHODS, "missing"))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Django's handler: what no route answers is a call like any other, and counts."""
    if not request.path_info.startswith("/v1/"):
        return problems.not_found(request, exception)
    if "Authorization" in request.headers:
        response: HttpResponseBase = _missing(request)
        return response
    return counted(problems.not_found)(request, exception)
