"""The daily numbers: moved by each event. (`services.rebuild` corrects them when somebody doubts them.)"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Sum

from analytics.models import DailyRollup

# Event type -> the number that it moves.
COUNTED = {"task.created": "created", "task.completed": "completed", "task.deleted": "deleted"}
NUMBERS = ("created", "completed", "deleted")

_COUNT = """
INSERT INTO daily_rollup AS r (owner, date, created, completed, deleted) VALUES (%%s, %%s, %%s, %%s, %%s)
    ON CONFLICT (owner, date) DO UPDATE SET %(number)s = r.%(number)s + 1
"""


def count(event: Mapping[str, Any]) -> None:
    """Moves one number by one; runs in the transaction that marks the event as consumed."""
    number = COUNTED[event["type"]]
    day = datetime.fromisoformat(event["at"]).astimezone(UTC).date()
    with connection.cursor() as cursor:
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
