"""Tasks from elsewhere, by the thousand, in the caller's transaction: what is there already stays as it is."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from django.db import connections
from django.db.backends.utils import CursorWrapper

from config.data import partitions
from config.data.partitions import Month
from tasks_app.services import rows
from tasks_app.services.rules import Change

USING = "direct"  # past the pooler: a batch may take longer than it lets a statement take
# Of those that were purged too: gone for good is what their owners were told.
_KNOWN = """
SELECT id FROM task WHERE id = ANY(%(ids)s)
UNION SELECT subject FROM event WHERE subject = ANY(%(ids)s) AND type = 'task.purged'
"""
_REMEMBERED = "SELECT row, task FROM task_import WHERE row = ANY(%s)"
_REMEMBER = "INSERT INTO task_import (row, task) SELECT * FROM unnest(%s::uuid[], %s::uuid[])"


def cursor() -> CursorWrapper:
    return connections[USING].cursor()


def wait_for_others() -> None:
    """Until the end of the transaction no other import finds that a task is not there yet."""
    with cursor() as asking:
        asking.execute("SELECT pg_advisory_xact_lock(hashtextextended('import_tasks', 0))")


def known(tasks: Collection[UUID]) -> set[UUID]:
    """Those of the tasks that are there, in the trash or not, or were purged."""
    with cursor() as asking:
        asking.execute(_KNOWN, {"ids": list(tasks)})
        return {row[0] for row in asking.fetchall()}


def remembered(keys: Collection[UUID]) -> dict[UUID, UUID]:
    """The tasks that an earlier run made of rows which tell neither an id nor a time."""
    with cursor() as asking:
        asking.execute(_REMEMBERED, [list(keys)])
        return dict(asking.fetchall())


def remember(made: dict[UUID, UUID]) -> None:
    with cursor() as telling:
        telling.execute(_REMEMBER, [list(made), list(made.values())])


def make_months(times: Collection[datetime]) -> None:
    """The partitions that tasks of these times need, and those of now, if the job has not; outside of a transaction."""
    connection = connections[USING]
    partitions.ensure(connection, ahead=0)
    wanted = {Month.of(at) for at in times}
    for month in sorted(wanted - set(partitions.existing(connection, "task"))):
        partitions.create(connection, "task", month)


def add(changes: Sequence[Change]) -> None:
    """Events of their own times included; counts follow by the table's triggers."""
    rows.add(changes, [change.after["owner_id"] for change in changes], using=USING)
