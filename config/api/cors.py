"""Calls from web pages of other origins (CORS, https://fetch.spec.whatwg.org/#http-cors-protocol): off unless
CORS_ORIGINS names them.

Tokens travel in a header that a script sets and never in a cookie, so credentials are not allowed.
"""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.cache import patch_vary_headers

_API = "/v1/"
_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
_REQUEST_HEADERS = (
    "Authorization, Content-Type, Consistency-Token, Idempotency-Key, If-Match, If-None-Match, Range, "
    "traceparent, X-Request-Id"
)
_ANSWER_HEADERS = (
    "Accept-Patch, Allow, Consistency-Token, Content-Disposition, Content-Range, ETag, Idempotency-Replayed, Link, "
    "Location, RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate, X-Request-Id"
)
_REMEMBERED = "600"  # seconds for which a browser does not ask again


class CorsMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not settings.CORS_ORIGINS or not request.path_info.startswith(_API):
            return self.get_response(request)
        origin = request.META.get("HTTP_ORIGIN")
        known = origin in settings.CORS_ORIGINS
        response = _preflight() if known and _is_preflight(request) else self.get_response(request)
        patch_vary_headers(response, ["Origin"])
        if origin and known:
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Expose-Headers"] = _ANSWER_HEADERS
        return response


def _is_preflight(request: HttpRequest) -> bool:
    return request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers


def _preflight() -> HttpResponse:
    """Answered before the caller is known: browsers send no token with it."""
    headers = {
        "Access-Control-Allow-Methods": _METHODS,
        "Access-Control-Allow-Headers": _REQUEST_HEADERS,
        "Access-Control-Max-Age": _REMEMBERED,
    }
    response = HttpResponse(status=204, headers=headers)
    del response.headers["Content-Type"]
    return response
