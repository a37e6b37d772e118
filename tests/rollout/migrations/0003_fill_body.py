"""What release 1 wrote. It must be gone by now: release 2 writes both, so that no new row comes without.

Not only what is NULL: while both releases ran, the first changed `text` in rows that the second had made.

Each batch is a transaction of its own, so that a row is locked for moments only, and a run that was killed goes on.
"""

from typing import Any

from django.db import migrations

BATCH = 500
_FILL = """
UPDATE rollout_note SET body = text
WHERE id IN (SELECT id FROM rollout_note WHERE id > %s AND body IS DISTINCT FROM text ORDER BY id LIMIT %s FOR UPDATE)
RETURNING id
"""


def fill(apps: Any, schema_editor: Any) -> None:
    last: int | None = 0
    with schema_editor.connection.cursor() as cursor:
        while last is not None:
            cursor.execute(_FILL, [last, BATCH])
            last = max((row[0] for row in cursor.fetchall()), default=None)


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("rollout", "0002_add_body")]
    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
