"""What every consumer of events stands on: once per event, bounded tries, the request's id in each log line.

    @consumer(name="notifications.on_event", queue="task.notifications")
    def on_event(event: EventBody) -> None:
        ...

The handler runs in one transaction with the row that says "this consumer has had this event", so its effects in the
database happen once, however often and to however many workers the message is delivered.

An effect outside the database (mail, a webhook) cannot be in that transaction. The handler then inserts a row that
claims the effect (`status = pending`) and sends nothing. A job takes the row by a conditional update, commits,
sends, and marks the row; a periodic job takes up rows that were left pending. That is at least once, with
the row's id as the receiver's idempotency key.
"""

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from random import randint
from typing import Any

from celery.exceptions import Reject
from django.db import InterfaceError, OperationalError, connection, transaction
from prometheus_client import Counter, Histogram

from config.celery import app
from config.observability import context

logger = logging.getLogger("events.consumer")

EventBody = dict[str, Any]
Handler = Callable[[EventBody], None]

RETRIES = 3
# A database that does not answer is no fault of the event: this long is waited for it before a try counts.
DATABASE_PATIENCE = 60.0
REQUIRED = {"id", "type", "subject", "owner", "actor", "version", "changes", "data", "at"}

HANDLED = Counter("taskmill_events_handled_total", "Events that a consumer took", ["consumer", "outcome"])
SECONDS = Histogram("taskmill_event_handling_seconds", "Time to handle an event", ["consumer"])
DELAY = Histogram(
    "taskmill_event_delay_seconds",
    "From the event to the end of its handling",
    ["consumer"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)


class Transient(Exception):
    """Raised by a handler when another try may succeed."""


class Malformed(Exception):
    """Not an event that this version understands. Another try would not help."""


TRANSIENT: tuple[type[Exception], ...] = (Transient, OperationalError, InterfaceError, ConnectionError, TimeoutError)


def consumer(*, name: str, queue: str, transient: tuple[type[Exception], ...] = ()) -> Callable[[Handler], Any]:
    """Makes the handler a Celery task of that name. `transient` adds exceptions that are worth another try."""

    def decorate(handler: Handler) -> Any:
        def run(task: Any, event: EventBody) -> None:
            with context.bind(request_id=event.get("request_id"), traceparent=event.get("traceparent")):
                try:
                    _consume(name, handler, event)
                except (*TRANSIENT, *transient) as error:
                    HANDLED.labels(name, "failed").inc()
                    _again(task, error)

        return app.on_queue(queue, name=name, bind=True, max_retries=RETRIES)(run)

    return decorate


def _consume(name: str, handler: Handler, event: EventBody) -> None:
    if missing := REQUIRED - event.keys():
        raise Malformed(f"The event lacks {', '.join(sorted(missing))}.")
    started = time.monotonic()
    _await_database()
    with transaction.atomic():
        first = _claim(name, event["id"])
        if first:
            handler(event)
    _report(name, event, time.monotonic() - started, "consumed" if first else "duplicate")


def _claim(name: str, event_id: str) -> bool:
    """False when the consumer has had the event. A second worker waits here until the first has committed."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO events_processed (event_id, consumer) VALUES (%s, %s) ON CONFLICT DO NOTHING", [event_id, name]
        )
        return bool(cursor.rowcount)


def _report(name: str, event: EventBody, seconds: float, outcome: str) -> None:
    HANDLED.labels(name, outcome).inc()
    SECONDS.labels(name).observe(seconds)
    DELAY.labels(name).observe(max(0.0, (datetime.now(UTC) - datetime.fromisoformat(event["at"])).total_seconds()))
    details = {"event_id": event["id"], "event_type": event["type"], "consumer": name, "duration": round(seconds, 4)}
    logger.info(f"event {outcome}", extra=details)


def _again(task: Any, error: Exception) -> None:
    """Another try in 1-2, 2-4, 4-8 s; after the last one the error goes up, and the message to the dead letters.

    Whole seconds: a fraction of a second is an error with quorum queues.
    """
    base = 2**task.request.retries
    logger.warning("event failed: %r", error, extra={"consumer": task.name, "attempt": task.request.retries + 1})
    try:
        task.retry(exc=error, countdown=randint(base, 2 * base))  # noqa: S311 (jitter)
    except Reject as rejected:
        # The broker did not take the retry. Celery would give the message up; it goes back to the queue.
        raise Reject(str(rejected), requeue=True) from error


def _await_database() -> None:
    """Returns when the primary answers, or raises OperationalError after DATABASE_PATIENCE."""
    deadline, pause = time.monotonic() + DATABASE_PATIENCE, 0.5
    while True:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
        except (OperationalError, InterfaceError) as error:
            connection.close()  # a broken connection stays broken until it is thrown away
            if time.monotonic() > deadline:
                raise
            logger.warning("consumer waits for the database: %s", error)
            time.sleep(pause)
            pause = min(pause * 2, 5.0)
        else:
            return
