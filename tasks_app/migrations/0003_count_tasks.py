"""Counts the tasks that were there before the triggers, some owners at a time, while others write.

One statement has one snapshot: what it counts holds the very changes that it takes away; later ones add to it.
"""

from typing import Any

from django.db import migrations

BATCH = 20_000  # tasks, and all further ones of the last owner
_LAST = "SELECT owner FROM task WHERE owner > %s ORDER BY owner OFFSET %s LIMIT 1"
_COUNT = """
WITH gone AS (DELETE FROM task_count WHERE owner > %(after)s AND (%(last)s::text IS NULL OR owner <= %(last)s::text))
INSERT INTO task_count (owner, status, due_on, number, folded)
SELECT owner, status, CASE WHEN status <> 'completed' THEN (due_at AT TIME ZONE 'UTC')::date END, count(*), true
FROM task
WHERE owner > %(after)s AND (%(last)s::text IS NULL OR owner <= %(last)s::text) AND deleted_at IS NULL
GROUP BY 1, 2, 3
"""


def count(apps: Any, schema_editor: Any) -> None:
    after: str | None = ""
    with schema_editor.connection.cursor() as cursor:
        while after is not None:
            cursor.execute(_LAST, [after, BATCH])
            row = cursor.fetchone()
            last = row[0] if row else None
            cursor.execute(_COUNT, {"after": after, "last": last})
            after = last


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("tasks_app", "0002_task_count")]
    operations = [migrations.RunPython(count, migrations.RunPython.noop)]
