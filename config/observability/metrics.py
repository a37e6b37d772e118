"""What is measured of requests and jobs. Parts define their own metrics beside their code."""

from functools import lru_cache

from prometheus_client import Gauge, Histogram

# The buckets of OpenTelemetry's http.server.request.duration, in seconds.
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

REQUESTS = Histogram(
    "http_server_request_duration_seconds",
    "Time of a request in the application",
    ["method", "route", "status"],
    buckets=_BUCKETS,
)
IN_FLIGHT = Gauge("http_server_active_requests", "Requests that run now", multiprocess_mode="livesum")
JOBS = Histogram(
    "taskmill_job_duration_seconds",
    "Time of a job in a worker",
    ["queue", "task", "outcome"],
    buckets=(*_BUCKETS, 30, 60, 300),
)


@lru_cache(maxsize=1000)
def _request_series(method: str, route: str, status: int) -> Histogram:
    """`labels()` takes a lock and builds a key each time; there are few combinations."""
    return REQUESTS.labels(method if method in _METHODS else "other", route, str(status))


def observe_request(method: str, route: str, status: int, seconds: float) -> None:
    _request_series(method, route, status).observe(seconds)


def observe_job(queue: str, task: str, outcome: str, seconds: float) -> None:
    JOBS.labels(queue, task, outcome).observe(seconds)
