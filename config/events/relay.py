"""The relay: publishes the event log to the broker, in order, at least once (docs/decisions/0002-relay-polls.md).

One leads, others stand by. Each round reads a batch behind the cursor, publishes it, waits for all confirms and then
moves the cursor; a relay that dies in between publishes that batch again.
"""

import logging
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import Error
from opentelemetry.trace import SpanKind
from prometheus_client import Counter, Gauge

from config.data.leadership import Leadership
from config.events import messages
from config.events.ahead import LogIsAhead, is_ahead
from config.events.outbox import CursorMoved, Outbox, Position, position_of
from config.events.publisher import Publisher, Unpublished
from config.observability import context, tracing

logger = logging.getLogger("events.relay")

# Seconds. It polls because NOTIFY takes a lock at commit that makes all writers queue up.
BUSY, IDLE = 0.02, 0.2
BACKOFF, BACKOFF_AT_MOST = 0.25, 3.0
STANDBY = 1.0
STATUS_EVERY = 5.0
BATCH = 200

PUBLISHED = Counter("taskmill_relay_published_total", "Events published, with their confirms", ["type"])
FAILURES = Counter("taskmill_relay_failures_total", "Batches that the broker did not take")
LEADS = Gauge("taskmill_relay_leader", "1 while this relay leads", multiprocess_mode="livemax")
PENDING = Gauge("taskmill_relay_pending", "Events that wait to be published", multiprocess_mode="livemax")
LAG = Gauge("taskmill_relay_lag_seconds", "Age of the oldest event that waits", multiprocess_mode="livemax")

Row = Mapping[str, Any]


class Relay:
    def __init__(self) -> None:
        self._stop = threading.Event()
        self._leadership = Leadership("relay")
        self._outbox = Outbox()
        self._publisher = Publisher()
        self._leads: bool | None = None
        self._position: Position | None = None
        # After a failure one event probes the broker, then the batches double: what a blocked broker did get of a
        # batch is published twice, and a slow one must be able to confirm within the deadline.
        self._limit = BATCH
        self._backoff = BACKOFF
        self._status_due = 0.0

    def run(self) -> None:
        """Until SIGTERM or SIGINT; ends after the batch in hand."""
        pause = BUSY
        while not self._stop.wait(pause):
            try:
                position = self._lead()
                pause = STANDBY if position is None else self._round(position, pause)
            except Unpublished as error:
                pause = self._failed(error)
            except (Error, CursorMoved, LogIsAhead) as error:
                logger.warning("relay gives up the lead: %r", error)
                self._resign()
                pause = STANDBY
        self._resign()
        logger.info("relay stopped")

    def stop(self, *_: Any) -> None:
        self._stop.set()

    def stop_on_signals(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.stop)

    def _lead(self) -> Position | None:
        """The cursor while this relay leads. The lock is asked for once: its connection serves all the rest."""
        leads = self._position is not None or self._leadership.hold()
        if leads and self._position is None and is_ahead("direct"):
            raise LogIsAhead
        if leads != self._leads:
            self._leads = leads
            LEADS.set(leads)
            logger.info("relay leads" if leads else "relay stands by: another one leads")
        if leads and self._position is None:
            self._position = self._outbox.position()
        return self._position

    def _resign(self) -> None:
        self._publisher.drop()
        self._leadership.drop()
        self._position = self._leads = None
        LEADS.set(0)

    def _round(self, position: Position, pause: float) -> float:
        """Publishes one batch; answers how long to wait before the next."""
        self._measure(position)
        rows = self._outbox.read(position, self._limit)
        if not rows:
            return min(max(pause, BUSY) * 2, IDLE)
        self._publish(rows)
        self._position = position_of(rows[-1])
        self._outbox.move(position, self._position)
        full = len(rows) == self._limit
        self._limit, self._backoff = min(self._limit * 2, BATCH), BACKOFF
        return 0 if full else BUSY

    def _publish(self, rows: Sequence[Row]) -> None:
        started, started_ns = time.monotonic(), time.time_ns()
        self._publisher.publish([message for row in rows for message in messages.messages(row)])
        for row in rows:
            PUBLISHED.labels(row["type"]).inc()
            with context.bind(request_id=row["request_id"] or None, traceparent=row["traceparent"] or None):
                details = {"event_id": str(row["id"]), "event_type": row["type"], "subject": str(row["subject"])}
                logger.info("event published", extra=details)
                tracing.record(f"publish {row['type']}", row["traceparent"], SpanKind.PRODUCER, started_ns)
        logger.debug("batch published", extra={"count": len(rows), "duration": round(time.monotonic() - started, 4)})

    def _failed(self, error: Unpublished) -> float:
        FAILURES.inc()
        pause, self._backoff = self._backoff, min(self._backoff * 2, BACKOFF_AT_MOST)
        self._limit = 1
        logger.warning("events wait for the broker, next try in %g s: %s", pause, error)
        return pause

    def _measure(self, position: Position) -> None:
        if time.monotonic() >= self._status_due:
            self._status_due = time.monotonic() + STATUS_EVERY
            pending, lag = self._outbox.status(position)
            PENDING.set(pending)
            LAG.set(lag)
