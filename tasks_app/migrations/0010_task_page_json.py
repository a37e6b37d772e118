"""A page as it is answered, in one call whose plan is kept: the statement that made the rows of `task_page` JSON was
planned each time, for a fifth of all that a page costs PostgreSQL (docs/decisions/0013-lists-in-a-function.md).
"""

from importlib import import_module

from django.db import migrations

before = import_module("tasks_app.migrations.0006_task_page")
SIGNATURE = before.FUNCTION.partition("task_page(")[2].partition(") RETURNS")[0]
NAMES = [line.split()[0] for line in SIGNATURE.replace("\n", " ").split(", ")]
TIMES = ("due_at", "created_at", "updated_at", "completed_at", "deleted_at")
FIELDS = (
    *("id", "title", "description", "status", "priority", "due_at", "labels", "owner", "assignee", "version"),
    *("created_at", "updated_at", "completed_at", "deleted_at"),
)


def column(field: str) -> str:
    if field not in TIMES:
        return f"task.{field}"
    return f"""to_char(task.{field} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS {field}"""


ROW = f"SELECT row_to_json(r)::text FROM (SELECT {', '.join(map(column, FIELDS))}) r"  # noqa: S608 (constants)
KEYS = {**{order: key for order, (key, *_) in before.KEYS.items()}, "-deleted_at": "deleted_at"}
KEY = "CASE _order " + " ".join(f"WHEN '{order}' THEN {key}" for order, key in KEYS.items()) + " END"
# `_size` is one more than the page has: the last row only tells that there are more.
FUNCTION = f"""
CREATE FUNCTION task_page_json(
    {SIGNATURE},
    OUT rows text, OUT more boolean, OUT last_id text, OUT last_key text, OUT seen text
) LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan SET jit = off AS $$
BEGIN
    SELECT
        string_agg(({ROW}), ',') FILTER (WHERE ordinality < _size),
        count(*) = _size,
        max(id::text) FILTER (WHERE ordinality = _size - 1),
        max(({KEY})::text) FILTER (WHERE ordinality = _size - 1),
        CASE WHEN pg_is_in_recovery() THEN pg_snapshot_xmin(pg_current_snapshot())::text
            ELSE pg_current_snapshot()::text END
    INTO rows, more, last_id, last_key, seen
    FROM task_page({", ".join(f"{name} => {name}" for name in NAMES)}) WITH ORDINALITY AS task;
END $$;
"""  # noqa: S608 (constants)


class Migration(migrations.Migration):
    dependencies = [("tasks_app", "0009_search_windows")]
    operations = [migrations.RunSQL(FUNCTION, "DROP FUNCTION task_page_json")]
