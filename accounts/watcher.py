"""Follows Keycloak's events and writes a denial for each that ends somebody's access.

Polled every two seconds with a window that overlaps the last one, since an event may become visible a little
after its time; known ids are dropped. Nothing is kept over a restart: the first poll reads back as far as a
token can live, and a denial written twice is one denial.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any

from django.utils import timezone
from prometheus_client import Counter, Gauge

from accounts import denials, keycloak_events
from accounts.keycloak_admin import KeycloakAdmin, KeycloakRefused
from accounts.keycloak_events import Ending, Ends
from config.cache import redis

logger = logging.getLogger(__name__)

EVERY = 2.0  # seconds
_OVERLAP = 30_000  # milliseconds
_PAGE = 100
_RECENT = timedelta(seconds=60)  # denials published again each time: one may have missed Redis
_WHOLE_EVERY = 30.0  # seconds: a full Redis may have thrown away what was denied longer ago
_PUBLISHED = "tm:{denials}:published"  # gone from Redis: all denials are gone

ENDINGS = Counter("taskmill_keycloak_endings", "Events of Keycloak that ended somebody's access", ["ends"])
LAST_POLL = Gauge(
    "taskmill_keycloak_last_poll_timestamp_seconds",
    "When Keycloak's events were last read",
    multiprocess_mode="mostrecent",
)

Event = Mapping[str, Any]
Read = tuple[str, int, Ending | None]  # id, time in milliseconds, meaning


class Watcher:
    def __init__(self, keycloak: KeycloakAdmin) -> None:
        self._keycloak = keycloak
        self._newest = _milliseconds() - denials.lifetime() * 1000
        self._known: dict[str, int] = {}  # event id -> its time
        self._publish_all_at = 0.0  # by the monotonic clock

    def poll(self) -> int:
        """Read the new events and write what they end; returns how many denials that made.

        Raises KeycloakUnavailable, KeycloakRefused or denials.NotWritten; the same events come again then.
        """
        since = self._newest - _OVERLAP
        events = [
            *self._new("admin-events", since, keycloak_events.of_admin, {"direction": "asc"}),
            *self._new("events", since, keycloak_events.of_user, {"type": keycloak_events.USER_EVENT_TYPES}),
        ]
        endings = [ending for ending in _latest(events) if self._applies(ending)]
        for ending in endings:
            self._write(ending)
            ENDINGS.labels(ending.ends.value).inc()
        self._remember(events)
        LAST_POLL.set_to_current_time()
        return len(endings)

    def publish(self) -> None:
        """Bring Redis what it lacks: all denials now and then and after an outage, else those of the last minute."""
        try:
            is_new = redis.call("SET", _PUBLISHED, 1, "NX") is not None
        except redis.Unavailable:
            self._publish_all_at = 0.0
            return
        if is_new:
            self._publish_all_at = 0.0
        found = denials.in_force()
        if time.monotonic() < self._publish_all_at:
            denials.publish(found.filter(written_at__gte=timezone.now() - _RECENT))
        else:
            denials.publish(found)
            self._publish_all_at = time.monotonic() + _WHOLE_EVERY

    def _new(
        self, path: str, since: int, meaning: Callable[[Event], Ending | None], query: Mapping[str, Any]
    ) -> Iterator[Read]:
        for event in self._pages(path, dateFrom=since, **query):
            event_id = str(event.get("id") or sorted(event.items(), key=str))
            if event_id not in self._known:
                yield event_id, event["time"], meaning(event)

    def _pages(self, path: str, **query: Any) -> Iterator[Event]:
        first = 0
        while True:
            page = self._keycloak.get(path, first=first, max=_PAGE, **query)
            yield from page
            if len(page) < _PAGE:
                return
            first += _PAGE

    def _remember(self, events: Iterable[Read]) -> None:
        self._known.update((event_id, at) for event_id, at, _ in events)
        self._newest = max([self._newest, *self._known.values()])
        oldest = self._newest - _OVERLAP
        self._known = {event_id: at for event_id, at in self._known.items() if at >= oldest}

    def _applies(self, ending: Ending) -> bool:
        if ending.ends is Ends.IF_DISABLED:
            return not self._enabled(ending.subject)
        # An admin who ends a session is told by its id alone; Keycloak's back-channel call has the subject.
        return ending.ends is not Ends.SESSION or bool(ending.subject)

    def _write(self, ending: Ending) -> None:
        match ending.ends:
            case Ends.SESSION:
                denials.deny_session(ending.subject, ending.session)
            case Ends.EVERYBODY:
                denials.deny_everybody(ending.at)
            case _:
                denials.deny_subject(ending.subject, ending.at)

    def _enabled(self, subject: str) -> bool:
        try:
            return bool(self._keycloak.get(f"users/{subject}")["enabled"])
        except KeycloakRefused as error:
            if error.status == 404:
                return False
            raise


def _latest(events: Iterable[Read]) -> list[Ending]:
    """One ending for each that is hit, the latest: an hour of events is read at the start."""
    found: dict[tuple[Ends, str, str], Ending] = {}
    for _, _, ending in sorted(events, key=lambda read: read[1]):
        if ending is not None:
            found[ending.ends, ending.subject, ending.session] = ending
    return list(found.values())


def _milliseconds() -> int:
    return int(time.time() * 1000)
