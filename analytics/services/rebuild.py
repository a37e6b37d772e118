"""Brings the daily numbers back to what the event log says, while consumers go on.

What is wrong is added as a difference, never replaced. One statement reads the log, the events that the consumer has
had, and the numbers, all in one snapshot, in which they belong together (a consumer commits its event and its number
at once). The difference found there stays right whatever is counted until it is added, so nobody has to wait.
"""

from datetime import UTC, date, datetime, timedelta

from django.db import connection, transaction

from analytics.services.rollups import COUNTED
from config.data import ids
from config.events.models import Event
from config.events.tasks import REMEMBER

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)

# An event that was not consumed yet will be counted by the consumer; which ones were is forgotten after REMEMBER.
# Days from before the log begins are only corrected by what the log has of them (imports), never emptied.
_CORRECT = """
WITH logged AS (
    SELECT e.owner, (e.at AT TIME ZONE 'UTC')::date AS date,
           count(*) FILTER (WHERE e.type = 'task.created') AS created,
           count(*) FILTER (WHERE e.type = 'task.completed') AS completed,
           count(*) FILTER (WHERE e.type = 'task.deleted') AS deleted
      FROM event e LEFT JOIN events_processed p ON p.event_id = e.id AND p.consumer = 'analytics.on_event'
     WHERE e.type = ANY(%(types)s) AND e.id >= %(floor)s AND e.at >= %(since)s
       AND (p.event_id IS NOT NULL OR e.id < %(forgotten)s)
     GROUP BY 1, 2
), counted AS (
    SELECT owner, date, created, completed, deleted FROM daily_rollup WHERE date >= %(day)s
), difference AS (
    SELECT owner, date,
           coalesce(l.created, 0) - coalesce(c.created, 0) AS created,
           coalesce(l.completed, 0) - coalesce(c.completed, 0) AS completed,
           coalesce(l.deleted, 0) - coalesce(c.deleted, 0) AS deleted
      FROM logged l FULL JOIN counted c USING (owner, date)
     WHERE l.owner IS NOT NULL OR date >= %(begins)s
)
INSERT INTO daily_rollup AS r (owner, date, created, completed, deleted)
SELECT * FROM difference WHERE (created, completed, deleted) <> (0, 0, 0)
    ON CONFLICT (owner, date) DO UPDATE SET
       created = r.created + excluded.created,
       completed = r.completed + excluded.completed,
       deleted = r.deleted + excluded.deleted
"""


def rebuild(since: date) -> int:
    """Corrects the numbers from the UTC day `since` on; returns how many rows of a day and owner were wrong."""
    first = Event.objects.using("default").order_by("id").values_list("id", flat=True).first()
    if first is None:
        return 0
    start = datetime(since.year, since.month, since.day, tzinfo=UTC)
    with transaction.atomic(), connection.cursor() as cursor:
        # Two at once would both add what is missing.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('analytics.rebuild', 0))")
        cursor.execute(
            _CORRECT,
            {
                "types": list(COUNTED),
                "since": start,
                "day": since,
                # An event's id is made moments before or long after its time; the slack keeps the months pruned.
                "floor": ids.floor(max(start - HOUR, EPOCH)),
                # A while later than forgotten for sure: clocks differ.
                "forgotten": ids.floor(datetime.now(UTC) - REMEMBER + HOUR),
                "begins": ids.instant(first).date(),
            },
        )
        return int(cursor.rowcount)
