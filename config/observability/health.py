"""/livez and /readyz. Live: the process answers. Ready: it can serve reads, from the primary or a replica.

A dependency that only makes the service slower or delays work (Redis, the broker, Keycloak) never makes it
unready: taking every instance out of the load balancer would turn a small outage into a whole one.
"""

import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings
from django.db import DatabaseError, connections
from django.http import HttpRequest, HttpResponse, JsonResponse

from config.cache import redis
from config.data import partitions, replicas

FRESH = 1.0  # seconds for which a result is repeated: a flood of probes costs nothing
BROKER_TIMEOUT = 1.0
LEAST_MONTHS = 2


@dataclass(frozen=True, slots=True)
class Result:
    status: str  # "ok", "warning" or "failed"
    detail: str = ""


Check = Callable[[], Result]
_checks: dict[str, Check] = {}
_results: dict[str, tuple[float, Result]] = {}


def register(name: str, check: Check) -> None:
    """Adds a check of an app to /readyz?verbose; it never decides about readiness."""
    _checks[name] = check


def livez(request: HttpRequest) -> HttpResponse:
    return _plain("ok", 200)


def readyz(request: HttpRequest) -> HttpResponse:
    """200 or 503; `?verbose` tells every dependency, `?exclude=NAME` leaves one out (repeatable)."""
    excluded = set(request.GET.getlist("exclude"))
    databases = {name: check for name, check in _databases().items() if name not in excluded}
    found = _run(databases)
    ready = not found or any(result.status != "failed" for result in found.values())
    status = 200 if ready else 503
    if "verbose" not in request.GET:
        return _plain("ok" if ready else "no database answers", status)
    found |= _run({name: check for name, check in _others().items() if name not in excluded})
    body = {
        "ready": ready,
        "checks": {name: {"status": result.status, "detail": result.detail} for name, result in found.items()},
    }
    return JsonResponse(body, status=status, headers={"Cache-Control": "no-store"})


def _plain(text: str, status: int) -> HttpResponse:
    headers = {"Cache-Control": "no-store"}
    return HttpResponse(text + "\n", status=status, content_type="text/plain; charset=utf-8", headers=headers)


def _databases() -> Mapping[str, Check]:
    return {"primary": _primary, **{alias: lambda alias=alias: _replica(alias) for alias in settings.REPLICAS}}  # type: ignore[misc]


def _others() -> Mapping[str, Check]:
    return {"redis": _redis, "broker": _broker, "partitions": _partitions, **_checks}


def _run(checks: Mapping[str, Check]) -> dict[str, Result]:
    now = time.monotonic()
    for name, check in checks.items():
        if name not in _results or _results[name][0] < now - FRESH:
            _results[name] = (now, check())
    return {name: _results[name][1] for name in checks}


def _primary() -> Result:
    try:
        with connections["default"].cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        connections["default"].close()
        return Result("failed", type(error).__name__)
    return Result("ok")


def _replica(alias: str) -> Result:
    try:
        behind = replicas.lag(alias)
    except DatabaseError as error:
        connections[alias].close()
        return Result("failed", type(error).__name__)
    return Result("ok" if behind <= replicas.LAG_LIMIT else "warning", f"{behind:.1f} s behind")


def _redis() -> Result:
    return Result("ok") if redis.available() else Result("warning", "left alone until it answers again")


def _broker() -> Result:
    address = urlsplit(settings.BROKER_URL)
    try:
        socket.create_connection((address.hostname, address.port or 5672), BROKER_TIMEOUT).close()
    except OSError as error:
        return Result("warning", f"{type(error).__name__}: events wait in the log")
    return Result("ok")


def _partitions() -> Result:
    try:
        ahead = partitions.months_ahead(connections["default"])
    except DatabaseError as error:
        return Result("warning", type(error).__name__)
    detail = f"{ahead} months ahead"
    return Result("ok", detail) if ahead >= LEAST_MONTHS else Result("warning", f"{detail}: run manage.py partitions")
