"""What each process that stays does first, after its fork if it has one."""

from django.conf import settings
from prometheus_client.registry import Collector

from config.observability import exposition, logs, sentry, tracing


def start(*collectors: Collector) -> None:
    """For a process that works by itself; `collectors` are served beside its own metrics."""
    begin()
    exposition.serve(settings.METRICS_BIND, *collectors)


def begin() -> None:
    """For a child whose parent serves the metrics."""
    logs.capture()
    sentry.start()
    tracing.start()
