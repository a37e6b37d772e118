"""Events as the relay delivers them, handed to a consumer without a broker: what a consumer does is tested here, what
the relay and the broker do in tests/events."""

from typing import Any
from uuid import UUID

from config.events.models import Event


def delivered(subject: str, *types: str) -> list[dict[str, Any]]:
    """The messages of one subject's events, in the order of the log."""
    events = Event.objects.filter(subject=UUID(subject)).order_by("xid", "id")
    return [_message(event) for event in events if not types or event.type in types]


def _message(event: Event) -> dict[str, Any]:
    return {
        "id": str(event.id),
        "type": event.type,
        "subject": str(event.subject),
        "owner": event.owner,
        "actor": event.actor,
        "version": event.version,
        "changes": event.changes,
        "data": event.data,
        "at": event.at.isoformat(),
        "request_id": event.request_id,
        "traceparent": event.traceparent,
    }
