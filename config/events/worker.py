"""What Celery's worker does differently here, so that no message is ever dropped.

- A body that cannot be decoded is rejected like any other poison; Celery acknowledges it, which loses it.
- After an outage of the broker a worker is back within seconds; Celery's pauses grow to half a minute.
- The reason for which a message died is noted as a DeadLetter row; on redis:// that row keeps the message too.
"""

import logging
from typing import Any

from celery.contrib.django.task import DjangoTask
from celery.worker import consumer, request, state
from django.db import Error
from kombu.utils.functional import retry_over_time

from config.events import deadletters, letters, topology
from config.observability import context

logger = logging.getLogger("events.worker")
RECONNECT_AT_MOST = 2.0  # seconds between two tries


class Consumer(consumer.Consumer):
    def on_decode_error(self, message: Any, exc: Exception) -> None:
        self._reject(message, f"The body cannot be decoded: {exc}")

    def on_unknown_message(self, body: Any, message: Any) -> None:
        self._reject(message, "This is no Celery message: it names no task.")

    def on_invalid_task(self, body: Any, message: Any, exc: Exception) -> None:
        self._reject(message, f"The message is malformed: {exc}")

    def on_unknown_task(self, body: Any, message: Any, exc: Exception) -> None:
        self._reject(message, f"This worker knows no task {exc}: is it older than the sender?")

    def _reject(self, message: Any, error: str) -> None:
        requeue = not _kept(message, error)
        errors = self.connection_errors  # type: ignore[attr-defined] # not in the stubs
        message.reject_log_error(logger, errors, requeue=requeue)

    def ensure_connected(self, conn: Any) -> Any:
        def failed(error: BaseException, *_: Any) -> Any:
            logger.error("worker cannot reach the broker at %s: %s", conn.as_uri(), error)
            return RECONNECT_AT_MOST

        errors = conn.recoverable_connection_errors
        retry_over_time(conn.connect, errors, errback=failed, callback=state.maybe_shutdown)
        self.first_connection_attempt = False
        with conn.channel() as channel:
            topology.declare(channel)  # a rejected message must find its dead-letter queue
        return conn


class Request(request.Request):
    _error = "The worker rejected it."

    def on_failure(self, exc_info: Any, *args: Any, **more: Any) -> Any:
        self._error = repr(exc_info.exception)
        return super().on_failure(exc_info, *args, **more)

    def reject(self, requeue: bool = False) -> None:
        if not requeue and not self.acknowledged:
            requeue = not _kept(self.message, self._error)
        super().reject(requeue=requeue)


class Task(DjangoTask):  # type: ignore[type-arg] # only the stubs make it generic
    Request = "config.events.worker:Request"


def _kept(message: Any, error: str) -> bool:
    """True when the message may be rejected for good: the broker keeps it, or the database does."""
    headers = message.headers or {}
    with context.bind(request_id=headers.get("x-request-id"), traceparent=headers.get("traceparent")):
        details = {"queue": letters.queue_of(message), "task": headers.get("task"), "task_id": headers.get("id")}
        logger.error("message dead-lettered: %s", error, extra=details)
    try:
        deadletters.bury(message, error)
    except Error:
        logger.exception("the reason of a dead letter could not be noted")
        return topology.is_amqp()
    return True
