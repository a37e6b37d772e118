"""Calls over a limit: apart from the views, because authentication counts too and views import that."""

from django.http import HttpRequest, HttpResponseBase

from config.api.problems import Problem
from config.cache import gate


def admit(request: HttpRequest, usage: gate.Usage) -> None:
    """Notes a usage for the answer's headers; raises Problem 429 when it was refused."""
    note(request, usage)
    if not usage.allowed:
        raise refusal(usage)


def note(request: HttpRequest, usage: gate.Usage) -> None:
    """The answer's headers will tell of it."""
    request.__dict__.setdefault("usages", []).append(usage)


def refusal(usage: gate.Usage) -> Problem:
    return Problem(
        "rate-limited",
        f"At most {usage.rate.limit} calls in {usage.rate.window} s (policy {usage.policy}).",
        headers={"Retry-After": str(max(1, usage.reset))},
        members={"violated-policies": [usage.policy]},
    )


def tell(request: HttpRequest, response: HttpResponseBase) -> None:
    """Names every policy that the call counted under (draft-ietf-httpapi-ratelimit-headers)."""
    usages: list[gate.Usage] = getattr(request, "usages", [])
    if usages:
        response.headers["RateLimit-Policy"] = ", ".join(
            f'"{usage.policy}";q={usage.rate.limit};w={usage.rate.window}' for usage in usages
        )
        response.headers["RateLimit"] = ", ".join(
            f'"{usage.policy}";r={usage.remaining};t={usage.reset}' for usage in usages
        )


def refund(request: HttpRequest) -> None:
    """Takes a call back that cost nothing after all (304)."""
    usages: list[gate.Usage] = getattr(request, "usages", [])
    request.__dict__["usages"] = [gate.refund(usage) for usage in usages]
