"""A search looks into the newest months one after the other: two, one more, two, four, then all.

Each month that is looked into costs a search as much as its owner has tasks there. A page of words that are in one of
a hundred tasks needs three or four, and looked into nine (docs/decisions/0013-lists-in-a-function.md).
"""

from importlib import import_module

from django.db import migrations

before = import_module("tasks_app.migrations.0008_task_any")
WIDER = "_months := _months + 6;"


def function() -> str:
    text: str = before.function()
    if text.count(WIDER) != 1:
        raise AssertionError("the function's windows are not where they were")
    return text.replace(WIDER, "_months := CASE WHEN _way = 'found' THEN _months * 2 ELSE _months + 6 END;")


class Migration(migrations.Migration):
    dependencies = [("tasks_app", "0008_task_any")]
    operations = [migrations.RunSQL(before.replace(function()), before.replace(before.function()))]
