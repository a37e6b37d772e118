"""Brings the counts of tasks back to what the tasks say, while others write.

What is wrong is added as a difference, never replaced. One statement sees the tasks and their counts in one snapshot,
in which they belong together (a write adds its rows at once): the difference stays right whatever is added later.
"""

from django.db import connection, transaction

from config.data import partitions

BATCH = 20_000  # tasks a statement, and all further ones of the last owner
_LAST = "SELECT owner FROM task WHERE owner > %s ORDER BY owner OFFSET %s LIMIT 1"
_CORRECT = """
WITH wrong AS (
    SELECT owner, status, due_on, sum(number) AS number
    FROM (
        SELECT owner, status, CASE WHEN status <> 'completed' THEN (due_at AT TIME ZONE 'UTC')::date END AS due_on,
               1 AS number
        FROM task
        WHERE owner > %(after)s AND (%(last)s::text IS NULL OR owner <= %(last)s::text) AND deleted_at IS NULL
        UNION ALL
        SELECT owner, status, due_on, -number FROM task_count
        WHERE owner > %(after)s AND (%(last)s::text IS NULL OR owner <= %(last)s::text)
    ) AS both_
    GROUP BY owner, status, due_on HAVING sum(number) <> 0
), added AS (
    INSERT INTO task_count (owner, status, due_on, number) SELECT owner, status, due_on, number FROM wrong
)
SELECT count(DISTINCT owner) FROM wrong
"""


class MonthGoes(Exception):
    """A month is detached and not dropped yet: it is counted still, and its tasks are out of sight."""


def rebuild() -> int:
    """Corrects all counts; returns of how many owners they were wrong. Raises MonthGoes."""
    wrong, after = 0, ""
    while True:
        with transaction.atomic(durable=True), connection.cursor() as cursor:
            # Another rebuild waits, which would add the same once more, and so does who would detach a month.
            cursor.execute("LOCK TABLE task IN SHARE UPDATE EXCLUSIVE MODE")
            if partitions.is_going(connection, "task"):
                raise MonthGoes
            cursor.execute(_LAST, [after, BATCH])
            last = next(iter(cursor.fetchone() or ()), None)
            cursor.execute(_CORRECT, {"after": after, "last": last})
            wrong += int(cursor.fetchone()[0])
        if last is None:
            return wrong
        after = last
