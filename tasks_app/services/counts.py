"""How many tasks one has, without looking at them (docs/decisions/0010-counts-are-sums.md)."""

from django.db import connection, connections

from config.data import reading

ENOUGH = 50  # rows of one owner that are worth folding: an owner's counts never cost many more than that

# What is due on an earlier day is overdue as a whole; only the tasks of today are looked at, by their index.
_COUNTS = """
WITH today AS (SELECT date_trunc('day', statement_timestamp() AT TIME ZONE 'UTC') AS day)
SELECT coalesce(sum(number) FILTER (WHERE status = 'pending'), 0),
       coalesce(sum(number) FILTER (WHERE status = 'in-progress'), 0),
       coalesce(sum(number) FILTER (WHERE status = 'completed'), 0),
       coalesce(sum(number) FILTER (WHERE due_on < (SELECT day FROM today)), 0)
       + (SELECT count(*) FROM task
          WHERE owner = %(owner)s AND status <> 'completed' AND deleted_at IS NULL
            AND coalesce(due_at, 'infinity') >= (SELECT day AT TIME ZONE 'UTC' FROM today)
            AND coalesce(due_at, 'infinity') < statement_timestamp())
FROM task_count WHERE owner = %(owner)s
"""
_UNFOLDED = "SELECT owner FROM task_count WHERE NOT folded GROUP BY owner HAVING count(*) >= %s"
# Readers see the rows or their sum, by their snapshot. Of two that fold at once, the second finds the rows gone.
_FOLD = """
WITH fresh AS (
    DELETE FROM task_count WHERE owner = %(owner)s AND NOT folded RETURNING status, due_on, number
), old AS (
    DELETE FROM task_count USING (SELECT DISTINCT status, due_on FROM fresh) AS touched
    WHERE owner = %(owner)s AND folded AND task_count.status = touched.status
      AND task_count.due_on IS NOT DISTINCT FROM touched.due_on
    RETURNING task_count.status, task_count.due_on, number
)
INSERT INTO task_count (owner, status, due_on, number, folded)
SELECT %(owner)s, status, due_on, sum(number), true FROM (TABLE fresh UNION ALL TABLE old) AS both_
GROUP BY status, due_on HAVING sum(number) <> 0
"""


def of(owner: str) -> dict[str, int]:
    with connections[reading.alias()].cursor() as cursor:
        cursor.execute(_COUNTS, {"owner": owner})
        return dict(zip(("pending", "in-progress", "completed", "overdue"), map(int, cursor.fetchone()), strict=True))


def fold(enough: int = ENOUGH) -> int:
    """Replaces the rows of owners who have many by their sums, an owner in each transaction; how many owners."""
    with connection.cursor() as cursor:
        cursor.execute(_UNFOLDED, [enough])
        owners = [row[0] for row in cursor.fetchall()]
        for owner in owners:
            cursor.execute(_FOLD, {"owner": owner})
    return len(owners)
