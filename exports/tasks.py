"""What runs in the export worker."""

from uuid import UUID

from django.db import transaction

from config.celery import app
from config.events.consumer import EventBody, consumer
from config.events.jobs import job
from config.observability import context
from exports.services import job as export_job


@consumer(name="exports.on_event", queue="task.export")
def on_event(event: EventBody) -> None:
    """Only wakes the job up: a file takes longer than the transaction of an event may."""
    arguments = (event["subject"], context.request_id.get())
    transaction.on_commit(lambda: run.delay(*arguments), robust=True)


@app.on_queue("task.export", name="exports.run")
def run(export: str, request_id: str | None = None) -> None:
    with context.bind(request_id=request_id):
        export_job.run(UUID(export))


@job(name="exports.resume", every=30, queue="task.export")
def resume() -> None:
    for export in export_job.unfinished():
        run.delay(str(export))
