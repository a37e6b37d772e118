"""What runs in the export worker."""

from typing import Any
from uuid import UUID

from django.db import transaction

from config.celery import app
from config.events import retries
from config.events.consumer import EventBody, consumer
from config.events.jobs import job
from config.observability import context
from exports.services import job as export_job

# Seconds. RabbitMQ takes a message back after 30 minutes. On redis:// it is delivered again while the job still
# runs, which finds the export held.
SOFT_TIME_LIMIT, TIME_LIMIT = 1500, 1560


@consumer(name="exports.on_event", queue="task.export")
def on_event(event: EventBody) -> None:
    """Only wakes the job up: a file takes longer than the transaction of an event may."""
    arguments = (event["subject"], context.request_id.get())
    transaction.on_commit(lambda: run.delay(*arguments), robust=True)


@app.on_queue(
    "task.export",
    name="exports.run",
    bind=True,
    max_retries=None,
    soft_time_limit=SOFT_TIME_LIMIT,
    time_limit=TIME_LIMIT,
)
def run(self: Any, export: str, request_id: str | None = None) -> None:
    with context.bind(request_id=request_id):
        try:
            export_job.run(UUID(export))
        except retries.LATER:
            retries.again(self)


@job(name="exports.resume", every=15, queue="task.export")
def resume() -> None:
    for export in export_job.unfinished():
        run.delay(str(export))
