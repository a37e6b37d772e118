"""What Celery's processes tell of themselves: logs in our form, metrics on a port, spans, errors to Sentry."""

import logging
import logging.config
import os
import time
from typing import Any, NamedTuple

from celery import signals
from celery.apps import worker
from celery.apps.beat import Beat
from django.conf import settings
from opentelemetry.trace import Span, SpanKind

from config.observability import exposition, logs, metrics, process, sentry, tracing

logger = logging.getLogger("worker")


class QuietBeat(Beat):
    """Without the banner, which is no JSON. (The worker's is switched off by a signal; beat has none so early.)"""

    def __init__(self, **options: Any) -> None:
        logs.capture()
        super().__init__(**{**options, "quiet": True})


class _Running(NamedTuple):
    since: float
    span: Span | None


_running: dict[str, _Running] = {}


@signals.celeryd_init.connect
def _before_anything(instance: Any, **_: Any) -> None:
    instance.quiet = True  # its banner is no JSON
    worker.safe_say = _say  # type: ignore[attr-defined] # nor is what it prints on a signal, and there is no setting for it
    logs.capture()


def _say(text: str, *_: Any) -> None:
    logger.info(text)


@signals.setup_logging.connect
def _set_up_logging(**_: Any) -> None:
    """Celery leaves logging alone when something is connected here."""
    logging.config.dictConfig(settings.LOGGING)


@signals.worker_init.connect
def _start_parent(**_: Any) -> None:
    """The parent runs no job: the children's samples reach it by files."""
    if settings.METRICS_BIND and "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        logger.warning("PROMETHEUS_MULTIPROC_DIR is not set: the jobs of this worker are not measured")
    sentry.start()
    exposition.serve(settings.METRICS_BIND)


@signals.beat_init.connect
def _start_beat(**_: Any) -> None:
    process.start()


@signals.worker_process_init.connect
def _child_started(**_: Any) -> None:
    process.begin()


@signals.worker_process_shutdown.connect
def _child_ends(**_: Any) -> None:
    """A child leaves without Python's exit."""
    tracing.stop()


@signals.task_prerun.connect
def _job_started(task_id: str, task: Any, **_: Any) -> None:
    span = tracing.begin(task.name, task.request.get("traceparent"), SpanKind.CONSUMER)
    _running[task_id] = _Running(time.perf_counter(), span)


@signals.task_postrun.connect
def _job_ended(task_id: str, task: Any, state: str | None = None, **_: Any) -> None:
    since, span = _running.pop(task_id)
    outcome = (state or "unknown").lower()
    metrics.observe_job(_queue(task), task.name, outcome, time.perf_counter() - since)
    if span:
        attributes = {"messaging.destination.name": _queue(task), "messaging.message.id": task_id, "outcome": outcome}
        tracing.end(span, failed=outcome == "failure", attributes=attributes)


def _queue(task: Any) -> str:
    """Each task has one queue: the route names it."""
    return str(task.app.conf.task_routes.get(task.name, {}).get("queue", "unknown"))
