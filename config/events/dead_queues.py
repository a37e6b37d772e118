"""The dead letters of RabbitMQ: read from `<queue>.dlq` without being taken, unless they are dealt with."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from kombu import Connection

from config.events import letters, topology
from config.events.deadletters import Letter
from config.events.models import DeadLetter
from config.events.publisher import CONNECT_TIMEOUT, DEADLINE


class DeadQueues:
    @contextmanager
    def open(self) -> Iterator[None]:
        """What was read and not forgotten goes back to its queue when the connection closes."""
        timeouts = {"read_timeout": DEADLINE, "write_timeout": DEADLINE}
        with Connection(settings.BROKER_URL, connect_timeout=CONNECT_TIMEOUT, transport_options=timeouts) as opened:
            self._channel: Any = opened.channel()
            topology.declare(self._channel)
            yield

    def read(self, queues: Sequence[str]) -> Iterator[tuple[Letter, Any]]:
        for queue in queues:
            for raw in self._messages(topology.dead_letter_queue(queue)):
                yield _letter(queue, self._channel.message_to_python(raw)), raw

    def forget(self, receipt: Any) -> None:
        self._channel.basic_ack(receipt.delivery_tag)

    def _messages(self, queue: str) -> Iterator[Any]:
        """As many as there were at the start: a replay that fails again must not be met a second time."""
        count = self._channel.queue_declare(queue, passive=True).message_count
        for _ in range(count):
            raw = self._channel.basic_get(queue)
            if raw is None:
                return
            yield raw


def _letter(queue: str, received: Any) -> Letter:
    message = letters.of(received)
    identifier = letters.identifier(message)
    note = DeadLetter.objects.filter(id=identifier, replayed_at=None).first()
    deaths = (received.headers or {}).get("x-death") or []
    death = deaths[0] if deaths else {}
    return Letter(
        id=str(identifier),
        queue=queue,
        task=letters.task_name(message),
        event_id=letters.event_id(message),
        died_at=_instant(death.get("time")),
        error=note.error if note else _reason(death.get("reason")),
        message=message,
    )


def _reason(reason: str | None) -> str:
    if reason == "delivery_limit":
        return f"It was taken {topology.DELIVERY_LIMIT + 1} times and its worker died each time."
    return f"The broker gives the reason {reason}."


def _instant(at: Any) -> datetime | None:
    return at.replace(tzinfo=UTC) if isinstance(at, datetime) else None
