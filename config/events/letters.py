"""A rejected message taken apart, so that it can be kept as JSON, recognized and sent again."""

import base64
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any
from uuid import UUID, uuid5

import orjson

from config.celery import app
from config.events import subscriptions, topology
from config.events.publisher import Send

_NAMESPACE = UUID("7f0f5d0e-8a3c-5a8e-9a55-3f5ab4c1d2e6")
# What a broker adds when a message dies; sent along, it would grow with each death.
_TRACES = ("x-death", "x-first-death", "x-last-death", "x-delivery-count", "x-acquired-count", "x-opt")


@dataclass(frozen=True, slots=True)
class Message:
    """`body` is text, or base64 (`binary`) when PostgreSQL could not keep it as text."""

    headers: dict[str, Any]
    body: str
    binary: bool
    content_type: str
    content_encoding: str

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def raw(self) -> bytes:
        return base64.b64decode(self.body) if self.binary else self.body.encode()


def of(message: Any) -> Message:
    """From a kombu message of any transport."""
    raw = message.body.encode() if isinstance(message.body, str) else bytes(message.body)
    try:
        body, binary = raw.decode(), b"\0" in raw
    except UnicodeDecodeError:
        body, binary = "", True
    headers = {
        name: value
        for name, value in (message.headers or {}).items()
        if not name.startswith(_TRACES) and _is_json(value)
    }
    content_type, encoding = message.content_type, message.content_encoding
    body = base64.b64encode(raw).decode() if binary else body
    return Message(headers, body, binary, content_type or "application/octet-stream", encoding or "utf-8")


def identifier(message: Message) -> UUID:
    """The task's id; of a message without a proper one, an id made from what it holds."""
    try:
        return UUID(str(message.headers.get("id")))
    except ValueError:
        return uuid5(_NAMESPACE, f"{task_name(message)} {message.headers.get('id')} {message.body}")


def task_name(message: Message) -> str:
    return str(message.headers.get("task") or "unknown")


def event_id(message: Message) -> str | None:
    """Of the event in the body, when there is one."""
    try:
        return str(UUID(orjson.loads(message.body)[1]["event"]["id"]))
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        return None


def queue_of(message: Any) -> str:
    """The queue that a message was taken from, which its delivery does not say: by its task, or its key."""
    task = app.tasks.get(str((message.headers or {}).get("task")))
    queue = getattr(task, "queue", None)
    if queue:
        return str(queue)
    key = str((message.delivery_info or {}).get("routing_key") or "")
    for subscription in subscriptions.every():
        if key.startswith(f"{subscription.name}."):
            return subscription.queue
    return next((queue for queue in topology.QUEUES if key.endswith(queue)), topology.DEFAULT_QUEUE)


def resend(queue: str, message: Message) -> Send:
    """For Publisher.publish: to the queue's private key, with its tries and its expiry forgotten."""
    return partial(_resend, queue, message)


def _resend(queue: str, message: Message, producer: Any) -> None:
    fresh = {"retries": 0, "eta": None, "expires": None} if "task" in message.headers else {}
    producer.publish(
        message.raw(),
        exchange=topology.EVENTS.name,
        routing_key=topology.private_key(queue),
        content_type=message.content_type,
        content_encoding=message.content_encoding,
        headers={**message.headers, **fresh},
        correlation_id=str(identifier(message)),
        delivery_mode=2,
        mandatory=True,
    )


def _is_json(value: Any) -> bool:
    try:
        orjson.dumps(value)
    except TypeError:
        return False
    return True
