"""What everybody may read: probes, the documentation, the pages about problems."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase

from config.api import problems

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
        return problems.respond(problems.Problem("method-not-allowed", headers={"Allow": _ALLOW}), request)

    return guarded
