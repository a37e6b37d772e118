"""Everybody's tasks in the orders other than by creation, for `owner=any`: without these each page sorts all tasks.

`task_page` takes the indexes up by itself: a new one ends the plans that connections keep. Before it could take them
for the tasks of an assignee too, and read everybody's in their order, those are gathered behind an OFFSET 0.
What this costs a write: docs/decisions/0013-lists-in-a-function.md.
"""

from importlib import import_module
from typing import Any

from django.db import migrations

from config.data import indexes

before = import_module("tasks_app.migrations.0006_task_page")
# The expressions of `task_page`, letter for letter; id ends every key, so that ties have one order.
KEYS = {
    "task_any_due": "coalesce(due_at, 'infinity'), id",
    "task_any_due_desc": "coalesce(due_at, '-infinity') DESC, id DESC",
    "task_any_updated": "updated_at DESC, id DESC",
}


def gathered(statement: str) -> str:
    inner, order, rest = statement.partition(" ORDER BY ")
    return f"SELECT * FROM ({inner} OFFSET 0) task{order}{rest}"  # noqa: S608 (constants)


def function(text: str = before.FUNCTION) -> str:
    for order in before.KEYS:
        statement = before.statements()[order, "assignee"]
        text = text.replace(statement, gathered(statement))
    return text


def replace(text: str) -> str:
    return text.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")


def create(apps: Any, schema_editor: Any) -> None:
    for name, key in KEYS.items():
        indexes.create(schema_editor.connection, "task", name, f"({key}) WHERE deleted_at IS NULL")


def drop(apps: Any, schema_editor: Any) -> None:
    for name in KEYS:
        schema_editor.execute(f"DROP INDEX IF EXISTS {name}")


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("tasks_app", "0007_drop_task_search")]
    operations = [
        migrations.RunSQL(replace(function()), replace(before.FUNCTION)),
        migrations.RunPython(create, drop),
    ]
