"""Which app hears which events. An app calls `subscribe` in its AppConfig.ready(); the relay reads the list.

A subscriber has a Celery task of its own name, so that a retry goes to that subscriber only and never fans out.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from config.events import topology


@dataclass(frozen=True, slots=True)
class Subscription:
    """`name` is the first word of the routing key `<name>.<type>`, which binds `queue`; `task` gets the event.

    `concerns(event)` spares the queue those events of these types that would have no effect.
    """

    name: str
    queue: str
    task: str
    types: frozenset[str]
    concerns: Callable[[Mapping[str, Any]], bool] = lambda event: True


_subscriptions: dict[str, Subscription] = {}


def subscribe(subscription: Subscription) -> None:
    if subscription.queue not in topology.QUEUES:
        known = ", ".join(topology.QUEUES)
        raise ImproperlyConfigured(f"{subscription.name} subscribes by queue {subscription.queue}: use one of {known}.")
    if any(event_type.startswith(f"{subscription.name}.") for event_type in subscription.types):
        # Its binding would catch the CloudEvents too, which are no tasks.
        raise ImproperlyConfigured(f"{subscription.name} is the first word of an event type: name it otherwise.")
    _subscriptions[subscription.name] = subscription


def every() -> list[Subscription]:
    return list(_subscriptions.values())


def of(event: Mapping[str, Any]) -> list[Subscription]:
    return [found for found in every() if event["type"] in found.types and found.concerns(event)]
