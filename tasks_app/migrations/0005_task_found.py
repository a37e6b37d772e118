"""An index that finds an owner's or an assignee's tasks by their words and labels, and looks at no others' tasks.

Words alone are everybody's: of ten million tasks a common one is in a million, of which a page shows fifty.
"""

from typing import Any

from django.db import migrations

from config.data import indexes

# A small list of what is not sorted in yet: each search reads all of it.
DEFINITION = r"""
USING gin (
    (to_tsvector('simple', title || ' ' || description)
     || array_to_tsvector(array_remove(ARRAY[E'\x01' || owner, E'\x02' || assignee], NULL))),
    labels
) WITH (gin_pending_list_limit = 256)
"""


def create(apps: Any, schema_editor: Any) -> None:
    indexes.create(schema_editor.connection, "task", "task_found", DEFINITION)


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("tasks_app", "0004_imported_row")]
    operations = [
        migrations.RunPython(create, lambda apps, schema_editor: schema_editor.execute("DROP INDEX task_found"))
    ]
