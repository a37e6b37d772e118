"""The broker's exchanges and queues. Relay and workers declare all of it whenever they connect, so that a broker
that came back empty is whole again.

Every queue has a private routing key, by which retries and jobs reach it and nobody else. It starts with a word
that no event type has: native delayed delivery binds `#.<key>`, which would catch an event type that ends alike.
On redis:// the queues carry no arguments (there are neither delivery limits nor dead-letter exchanges).
"""

from typing import Any

from django.conf import settings
from kombu import Exchange, Queue

QUEUES = ("task.notifications", "task.analytics", "task.export", "task.default")
DEFAULT_QUEUE = "task.default"
# Redeliveries of one message before it is dead: it has killed its worker that often.
DELIVERY_LIMIT = 5

EVENTS = Exchange("task.events", type="topic", durable=True)
DEAD = Exchange("task.dlx", type="direct", durable=True)


def is_amqp() -> bool:
    return settings.BROKER_URL.startswith("amqp")


def private_key(queue: str) -> str:
    return f"celery.{queue}"


def dead_letter_queue(queue: str) -> str:
    return f"{queue}.dlq"


def _arguments(queue: str) -> dict[str, Any] | None:
    if not is_amqp():
        return None
    return {
        "x-queue-type": "quorum",
        "x-delivery-limit": DELIVERY_LIMIT,
        "x-dead-letter-exchange": DEAD.name,
        "x-dead-letter-routing-key": dead_letter_queue(queue),
        # At least once needs reject-publish: otherwise the broker falls back to at most once.
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }


def work_queues() -> list[Queue]:
    return [Queue(name, EVENTS, routing_key=private_key(name), queue_arguments=_arguments(name)) for name in QUEUES]


def dead_letter_queues() -> list[Queue]:
    """They are never consumed, only read by `manage.py deadletters`, and hold a message until it is dealt with."""
    if not is_amqp():
        return []
    names = [dead_letter_queue(name) for name in QUEUES]
    return [Queue(name, DEAD, routing_key=name, queue_arguments={"x-queue-type": "quorum"}) for name in names]


def declare(channel: Any) -> None:
    """Everything, with the bindings of the subscriptions. Declaring what is there already changes nothing."""
    from config.events import subscriptions  # noqa: PLC0415 (it checks its queues against this module)

    for queue in [*dead_letter_queues(), *work_queues()]:
        queue(channel).declare()
    for subscription in subscriptions.every():
        Queue(subscription.queue)(channel).bind_to(EVENTS, routing_key=f"{subscription.name}.#")
