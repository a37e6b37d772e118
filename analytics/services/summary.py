"""Totals over a range of days, and how long tasks took."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db import connections

from analytics.services import rollups
from config.data import ids, reading

# Percentiles over the completed ones of the newest tasks of the range: exact up to this many, and bounded in cost.
SAMPLE = 50_000

_TIMES = """
SELECT count(*), percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds),
       percentile_cont(0.95) WITHIN GROUP (ORDER BY seconds)
  FROM (SELECT status, deleted_at, extract(epoch FROM completed_at - created_at) AS seconds FROM task
         WHERE id >= %(low)s AND id < %(high)s AND (%(owner)s::text IS NULL OR owner = %(owner)s)
         ORDER BY id DESC LIMIT %(sample)s) newest
 WHERE status = 'completed' AND deleted_at IS NULL
"""


def summary(owner: str | None, first: date, last: date) -> dict[str, Any]:
    """Totals of the days, and the time from creation to completion of tasks that were created in them."""
    days = rollups.daily(owner, first, last)
    low = datetime(first.year, first.month, first.day, tzinfo=UTC)
    high = datetime(last.year, last.month, last.day, tzinfo=UTC) + timedelta(days=1)
    parameters = {"low": ids.floor(low), "high": ids.floor(high), "owner": owner, "sample": SAMPLE}
    with connections[reading.alias()].cursor() as cursor:
        cursor.execute(_TIMES, parameters)
        count, median, p95 = cursor.fetchone()
    return {
        "from": first.isoformat(),
        "to": last.isoformat(),
        **{name: sum(day[name] for day in days) for name in rollups.NUMBERS},
        "completion_seconds": {"count": count, "p50": _rounded(median), "p95": _rounded(p95)},
    }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(float(seconds), 3)
