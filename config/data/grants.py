"""What the roles of docker/postgres/roles.sql may not do, beyond what the owner's defaults leave them.

After each `migrate`, because the tables are there then. Where there are no such roles there is nothing to do.
"""

from typing import Any

from django.apps import apps
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models.signals import post_migrate

_ALL = ("taskmill", "taskmill_worker", "taskmill_reader")
# Table -> who changes nothing in it. Each is one part's own.
_ONLY_READ = {
    "django_migrations": ("taskmill", "taskmill_worker"),
    "daily_rollup": ("taskmill",),
    "events_cursor": ("taskmill",),
    "events_processed": ("taskmill",),
    "task_import": ("taskmill",),
}
# A log is appended to; only a purge takes the text out of it.
_LOG = "REVOKE UPDATE, DELETE ON event FROM {role}; GRANT UPDATE (changes, data) ON event TO {role}"
_THERE = "SELECT bool_and(to_regclass(name) IS NOT NULL) FROM unnest(%s::text[]) AS name"
# Roles that are there and are not the owner himself: one role may do everything (`make run`).
_OTHERS = "SELECT rolname FROM pg_roles WHERE rolname = ANY(%s) AND rolname <> current_user AND NOT rolsuper"


def lessen(using: str = DEFAULT_DB_ALIAS, **_: Any) -> None:
    with connections[using].cursor() as cursor:
        cursor.execute(_THERE, [["event", *_ONLY_READ]])
        if not cursor.fetchone()[0]:
            return  # not all migrations were asked for
        cursor.execute(_OTHERS, [list(_ALL)])
        for (role,) in cursor.fetchall():
            for statement in _statements(role):
                cursor.execute(statement)


def _statements(role: str) -> list[str]:
    if role == "taskmill_reader":
        return [f"REVOKE EXECUTE ON FUNCTION make_month FROM {role}"]
    tables = [table for table, roles in _ONLY_READ.items() if role in roles]
    return [f"REVOKE INSERT, UPDATE, DELETE ON {', '.join(tables)} FROM {role}", _LOG.format(role=role)]


def connect() -> None:
    post_migrate.connect(lessen, sender=apps.get_app_config("events"), dispatch_uid="grants")
