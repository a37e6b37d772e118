"""Prometheus metrics of every process kind, each served on a port of its own (METRICS_BIND)."""

import os
from contextlib import AbstractContextManager
from functools import lru_cache
from wsgiref.simple_server import WSGIServer

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.process_collector import ProcessCollector

# The buckets of OpenTelemetry's http.server.request.duration, in seconds.
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_REQUESTS = Histogram(
    "http_server_request_duration_seconds",
    "Time of a request in the application",
    ["method", "route", "status"],
    buckets=_BUCKETS,
)
_IN_FLIGHT = Gauge("http_server_active_requests", "Requests that run now", multiprocess_mode="livesum")
_JOBS = Histogram(
    "taskmill_job_duration_seconds", "Time of a job in a worker", ["task", "outcome"], buckets=(*_BUCKETS, 30, 60, 300)
)
_JOB_RETRIES = Counter("taskmill_job_retries", "Jobs that will be tried again", ["task"])


@lru_cache(maxsize=1000)
def _request_series(method: str, route: str, status: int) -> Histogram:
    """`labels()` takes a lock and builds a key each time; there are few combinations."""
    return _REQUESTS.labels(method if method in _METHODS else "other", route, str(status))


def observe_request(method: str, route: str, status: int, seconds: float) -> None:
    _request_series(method, route, status).observe(seconds)


def in_flight() -> AbstractContextManager[None]:
    return _IN_FLIGHT.track_inprogress()


def observe_job(task: str, outcome: str, seconds: float) -> None:
    _JOBS.labels(task, outcome).observe(seconds)


def count_retry(task: str) -> None:
    _JOB_RETRIES.labels(task).inc()


def registry() -> CollectorRegistry:
    """What this process shows: with PROMETHEUS_MULTIPROC_DIR the sum over it and its children."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return REGISTRY
    collected = CollectorRegistry()
    MultiProcessCollector(collected)
    ProcessCollector(registry=collected)
    return collected


def serve(bind: str) -> WSGIServer | None:
    """Serves /metrics in a thread until the process ends; an empty `bind` means: not at all."""
    if not bind:
        return None
    host, _, port = bind.rpartition(":")
    server, _ = start_http_server(int(port), addr=host, registry=registry())
    return server
