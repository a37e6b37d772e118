"""What Celery's processes tell of themselves: logs in our form, metrics on a port, Sentry."""

import logging.config
import os
import time
from typing import Any

from celery import signals
from django.conf import settings
from prometheus_client.multiprocess import mark_process_dead

from config.observability import metrics, sentry

_started: dict[str, float] = {}


@signals.setup_logging.connect
def _set_up_logging(**_: Any) -> None:
    """Celery leaves logging alone when something is connected here."""
    logging.config.dictConfig(settings.LOGGING)


@signals.worker_init.connect
@signals.beat_init.connect
def _serve_metrics(**_: Any) -> None:
    metrics.serve(settings.METRICS_BIND)
    sentry.start()


@signals.worker_process_init.connect
def _child_started(**_: Any) -> None:
    sentry.start()


@signals.worker_process_shutdown.connect
def _child_ended(pid: int, **_: Any) -> None:
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        mark_process_dead(pid)


@signals.task_prerun.connect
def _job_started(task_id: str, **_: Any) -> None:
    _started[task_id] = time.perf_counter()


@signals.task_postrun.connect
def _job_ended(task_id: str, task: Any, state: str | None = None, **_: Any) -> None:
    seconds = time.perf_counter() - _started.pop(task_id, time.perf_counter())
    metrics.observe_job(task.name, (state or "unknown").lower(), seconds)


@signals.task_retry.connect
def _job_retries(sender: Any, **_: Any) -> None:
    metrics.count_retry(sender.name)
