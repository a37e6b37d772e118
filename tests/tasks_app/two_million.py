"""Two million tasks in five years, made inside PostgreSQL: what the lists cost is looked at on these.

A tenth of them is alice's. One in twenty of hers is assigned to bob; a part of bob's own is assigned to her.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

from django.db import connection

from config.data import partitions
from config.data.partitions import Month
from tests.accounts.keycloak import ALICE, BOB

T = TypeVar("T")
NOW = Month.of(datetime.now(UTC))
MONTHS = [NOW.plus(-back) for back in range(1, 61)]  # newest first
TOTAL = 2_000_000
PER_MONTH = -(-TOTAL // len(MONTHS))
HERS = TOTAL // 10

# m counts the owner's own tasks, so that what is drawn from it is spread over each owner's list.
_FILL = """
INSERT INTO {table} (id, title, description, status, priority, due_at, labels, owner, assignee, version,
                     created_at, updated_at, completed_at, deleted_at)
SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '70008' || substr(md5(n::text), 1, 15))::uuid,
       CASE WHEN m %% 15 = 0 THEN 'invoice ' ELSE 'report ' END || m,
       CASE WHEN m %% 400 = 0 THEN 'berlin' ELSE '' END,
       status,
       CASE WHEN m %% 20 = 1 THEN 'urgent' WHEN m %% 7 = 1 THEN 'high' ELSE 'normal' END,
       CASE WHEN m %% 2 = 0 THEN at + m %% 30 * interval '1 day' END,
       CASE WHEN m %% 5000 = 3 THEN '{{rare}}' WHEN m %% 4 = 3 THEN '{{work}}' ELSE '{{}}' END::varchar[],
       CASE WHEN n %% 10 = 0 THEN %(alice)s WHEN n %% 10 = 1 THEN %(bob)s ELSE 'user-' || n %% 9973 END,
       CASE WHEN n %% 10 = 0 AND m %% 20 = 5 THEN %(bob)s WHEN n %% 10 = 1 AND m %% 20 = 5 THEN %(alice)s END,
       1, at, changed, CASE WHEN status = 'completed' THEN changed END,
       CASE WHEN m %% 100 = 50 THEN changed END
FROM generate_series(%(first)s, %(last)s) n,
     LATERAL (SELECT n / 10 AS m, %(start)s::timestamptz + (n - %(first)s) * interval '1 minute' AS at) a,
     LATERAL (SELECT at + m %% 20 * interval '1 day' AS changed,
              CASE m %% 10 WHEN 0 THEN 'pending' WHEN 1 THEN 'in-progress' ELSE 'completed' END AS status) b
"""


def _fill(month: Month, number: int, table: str) -> None:
    first = number * PER_MONTH
    values: dict[str, Any] = {
        "alice": ALICE,
        "bob": BOB,
        "first": first,
        "last": first + PER_MONTH - 1,
        "start": month.start,
    }
    with connection.cursor() as cursor:
        cursor.execute(_FILL.format(table=table), values)


@contextmanager
def tasks(look: Callable[[], T]) -> Iterator[dict[int, T]]:
    """Gives what `look` saw when there were the newest three months only, and when there were all."""
    seen = {}
    with connection.cursor() as cursor:
        cursor.execute("SET maintenance_work_mem = '128MB'; SET default_statistics_target = 10")
        for number, month in enumerate(MONTHS, start=1):
            partitions.create(connection, "task", month, partial(_fill, month, len(MONTHS) - number))
            if number in {3, len(MONTHS)}:
                cursor.execute("ANALYZE task")
                seen[number] = look()
        cursor.execute("RESET default_statistics_target; RESET maintenance_work_mem")
    yield seen
    with connection.cursor() as cursor:
        for month in MONTHS:
            cursor.execute(f"DROP TABLE {month.table('task')}")
        cursor.execute("DELETE FROM task_count")
