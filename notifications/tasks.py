"""What runs in the notifications worker."""

from typing import Any
from uuid import UUID

from django.db import transaction

from config.celery import app
from config.events import retries
from config.events.consumer import EventBody, consumer
from config.events.jobs import job
from config.observability import context
from notifications.services import email, inbox

LONGEST_COUNTDOWN = 60  # seconds; what is due later is found by `resend_pending`


@consumer(name="notifications.on_event", queue="task.notifications")
def on_event(event: EventBody) -> None:
    """Makes the rows; their mails are sent by jobs of their own, so that one bad address delays nobody else.

    A job that is never published (the process dies right after the commit) is found by `resend_pending`.
    """
    for notification in inbox.note(event):
        arguments = [str(notification), context.request_id.get()]
        transaction.on_commit(lambda arguments=arguments: send_email.delay(*arguments), robust=True)  # type: ignore[misc]


@app.on_queue("task.notifications", name="notifications.send_email", bind=True, max_retries=None)
def send_email(self: Any, notification: str, request_id: str | None = None) -> None:
    with context.bind(request_id=request_id):
        try:
            email.send(UUID(notification))
        except retries.LATER:
            retries.again(self)
        except email.TryAgain as error:
            if error.seconds <= LONGEST_COUNTDOWN:
                retries.again(self, error.seconds)


@job(name="notifications.resend_pending", every=60, queue="task.notifications")
def resend_pending() -> None:
    for notification in email.overdue():
        send_email.delay(str(notification))
