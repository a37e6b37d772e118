"""/livez and /readyz. Live: the process answers. Ready: it can serve reads, from the primary or a replica.

A dependency that only makes the service slower or delays work (Redis, the broker, Keycloak) never makes it
unready: taking every instance out of the load balancer would turn a small outage into a whole one.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

from django.http import HttpRequest, HttpResponse, JsonResponse

from config.observability.probe import NoAnswer, Probe


@dataclass(frozen=True, slots=True)
class Result:
    status: str  # "ok", "warning" or "failed"
    detail: str = ""


Check = Callable[[], Result]
_deciding: dict[str, Probe[Result]] = {}
_others: dict[str, Probe[Result]] = {}


def register(name: str, check: Check) -> None:
    """Adds a check to /readyz?verbose; it never decides about readiness."""
    _others[name] = Probe(check)


def register_database(name: str, check: Check) -> None:
    """Adds a check of a database that can serve reads: ready means that one of these does not fail."""
    _deciding[name] = Probe(check)


def livez(request: HttpRequest) -> HttpResponse:
    return _plain("ok", 200)


def readyz(request: HttpRequest) -> HttpResponse:
    """200 or 503; `?verbose` tells every dependency, `?exclude=NAME` leaves one out (repeatable)."""
    excluded, verbose = frozenset(request.GET.getlist("exclude")), "verbose" in request.GET
    databases = _start(_deciding, excluded)
    others = _start(_others, excluded) if verbose else {}
    results = _results(databases)
    ready = not results or any(result.status != "failed" for result in results.values())
    status = 200 if ready else 503
    if not verbose:
        return _plain("ok" if ready else "no database answers", status)
    told = {name: asdict(result) for name, result in (results | _results(others)).items()}
    return JsonResponse({"ready": ready, "checks": told}, status=status, headers={"Cache-Control": "no-store"})


def _plain(text: str, status: int) -> HttpResponse:
    headers = {"Cache-Control": "no-store"}
    return HttpResponse(text + "\n", status=status, content_type="text/plain; charset=utf-8", headers=headers)


def _start(probes: Mapping[str, Probe[Result]], excluded: frozenset[str]) -> dict[str, Probe[Result]]:
    """Asks all before anybody waits for one."""
    wanted = {name: probe for name, probe in probes.items() if name not in excluded}
    for probe in wanted.values():
        probe.start()
    return wanted


def _results(probes: Mapping[str, Probe[Result]]) -> dict[str, Result]:
    return {name: _result(probe) for name, probe in probes.items()}


def _result(probe: Probe[Result]) -> Result:
    try:
        return probe.answer()
    except NoAnswer as error:
        return Result("failed", str(error))
