"""The daily numbers: moved by each event, and rebuilt from the event log when somebody doubts them."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Sum

from analytics.models import DailyRollup
from config.data import ids

# Event type -> the number that it moves.
COUNTED = {"task.created": "created", "task.completed": "completed", "task.deleted": "deleted"}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NUMBERS = ("created", "completed", "deleted")

_LOCK = "hashtext('daily_rollup')"


_COUNT = """
INSERT INTO daily_rollup AS r (owner, date, created, completed, deleted) VALUES (%%s, %%s, %%s, %%s, %%s)
    ON CONFLICT (owner, date) DO UPDATE SET %(number)s = r.%(number)s + 1
"""


def count(event: Mapping[str, Any]) -> None:
    """Moves one number by one; runs in the transaction that marks the event as consumed."""
    number = COUNTED[event["type"]]
    day = datetime.fromisoformat(event["at"]).astimezone(UTC).date()
    with connection.cursor() as cursor:
        # Shared among consumers; a rebuild holds it alone, so that it neither misses nor doubles an event.
        cursor.execute(f"SELECT pg_advisory_xact_lock_shared({_LOCK})")
        cursor.execute(_COUNT % {"number": number}, [event["owner"], day, *(int(name == number) for name in NUMBERS)])


def daily(owner: str | None, first: date, last: date) -> list[dict[str, Any]]:
    """One row a day from `first` to `last`, days without anything included; `owner` None: everybody's."""
    rows = DailyRollup.objects.filter(date__range=(first, last))
    if owner is not None:
        rows = rows.filter(owner=owner)
    sums = rows.values("date").annotate(**{name: Sum(name) for name in NUMBERS})
    found: dict[date, dict[str, Any]] = {row["date"]: dict(row) for row in sums}
    days = (first + timedelta(days=n) for n in range((last - first).days + 1))
    return [
        {"date": day.isoformat(), **{name: found[day][name] if day in found else 0 for name in NUMBERS}} for day in days
    ]


_REBUILD = """
INSERT INTO daily_rollup (owner, date, created, completed, deleted)
SELECT e.owner, (e.at AT TIME ZONE 'UTC')::date,
       count(*) FILTER (WHERE e.type = 'task.created'),
       count(*) FILTER (WHERE e.type = 'task.completed'),
       count(*) FILTER (WHERE e.type = 'task.deleted')
  FROM event e JOIN events_processed p ON p.event_id = e.id AND p.consumer = 'analytics.on_event'
 WHERE e.type IN ('task.created', 'task.completed', 'task.deleted')
   AND e.id >= %(floor)s AND e.at >= %(since)s
 GROUP BY 1, 2
"""


def rebuild(since: date) -> int:
    """Replaces the numbers from `since` on by what the log says; returns the number of rows.

    Only events that the consumer has had are counted: one that still waits in the queue will be added by it.
    Consumers stand still meanwhile (the lock), so the sum is exact at every moment.
    """
    start = datetime(since.year, since.month, since.day, tzinfo=UTC)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SELECT pg_advisory_xact_lock({_LOCK})")
        DailyRollup.objects.filter(date__gte=since).delete()
        # An event's id is made at most moments before its time; a day of slack keeps the partitions pruned.
        floor = ids.floor(max(start - timedelta(days=1), EPOCH))
        cursor.execute(_REBUILD, {"since": start, "floor": floor})
        return int(cursor.rowcount)
