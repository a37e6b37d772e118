"""The index that `task_searched` replaces: a write should pay for words once.

Until the version before is gone, its exports count what they found without an index.
"""

from importlib import import_module

from django.db import migrations

found = import_module("tasks_app.migrations.0005_task_found")


class Migration(migrations.Migration):
    dependencies = [("tasks_app", "0012_search_task_words")]
    operations = [migrations.RunSQL("DROP INDEX task_found", f"CREATE INDEX task_found ON task {found.DEFINITION}")]
