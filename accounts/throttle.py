"""Limits for the pages and calls around a login, which come before there is a principal to count (django-ratelimit).

While Redis is down they are open (RATELIMIT_FAIL_OPEN): Keycloak has its own brute-force protection.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django_ratelimit.core import get_usage

from accounts.pages import refusal
from config.api import client, problems

View = Callable[..., HttpResponseBase]


def limited(rate: str, *, page: bool) -> Callable[[View], View]:
    """At most `rate` calls (such as 30/m) of one address; then 429, as a page for people or as a problem."""

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            usage = get_usage(request, group=view.__qualname__, key=_address, rate=rate, increment=True)
            if usage is None or not usage["should_limit"]:
                return view(request, *args, **kwargs)
            return _too_many(request, max(1, usage["time_left"]), page)

        return guarded

    return decorate


def _address(group: str, request: HttpRequest) -> str:
    return client.address(request)


def _too_many(request: HttpRequest, seconds: int, page: bool) -> HttpResponseBase:
    detail = f"Too many tries from your address. Try again in {seconds} seconds."
    headers = {"Retry-After": str(seconds)}
    if page:
        return refusal(request, 429, "Too many tries", detail, headers)
    return problems.respond(problems.Problem("rate-limited", detail, headers=headers), request)
