"""What runs in the notifications worker."""

from random import randint
from typing import Any
from uuid import UUID

from celery.exceptions import MaxRetriesExceededError
from django.db import transaction

from config.celery import app
from config.events.consumer import EventBody, consumer
from config.events.jobs import job
from config.observability import context
from notifications.services import email, inbox


@consumer(name="notifications.on_event", queue="task.notifications")
def on_event(event: EventBody) -> None:
    """Makes the rows; their mails are sent by jobs of their own, so that one bad address delays nobody else.

    A job that is never published (the process dies right after the commit) is found by `resend_overdue`.
    """
    for notification in inbox.note(event):
        arguments = [str(notification), context.request_id.get()]
        transaction.on_commit(lambda arguments=arguments: send_email.delay(*arguments), robust=True)  # type: ignore[misc]


@app.on_queue("task.notifications", name="notifications.send_email", bind=True, max_retries=3)
def send_email(self: Any, notification: str, request_id: str | None = None) -> None:
    with context.bind(request_id=request_id):
        try:
            email.send(UUID(notification))
        except email.TryAgain as error:
            _again(self, error)


def _again(task: Any, error: Exception) -> None:
    """Sooner retries are jobs, later ones `resend_overdue`'s: a mail server may be down for hours."""
    base = 2**task.request.retries
    try:
        task.retry(exc=error, countdown=randint(base, 2 * base))  # noqa: S311 (jitter)
    except (email.TryAgain, MaxRetriesExceededError):
        return


@job(name="notifications.resend_overdue", every=60, queue="task.notifications")
def resend_overdue() -> None:
    for notification in email.overdue():
        send_email.delay(str(notification))
