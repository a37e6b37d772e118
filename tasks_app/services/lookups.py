"""Single facts about a task, for apps that react to its events."""

from uuid import UUID

from django.db import connection

from tasks_app.models import Task


def title(task: UUID) -> str | None:
    """None when the task was purged.

    A purge waits for the end of the caller's transaction, so that whatever the title was written into is there
    when the purge's event comes to take it out. No other change of the task waits.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT title FROM task WHERE id = %s FOR KEY SHARE", [task])
        row = cursor.fetchone()
    return None if row is None else str(row[0])


def assignee(task: UUID) -> str | None:
    return Task.objects.filter(id=task).values_list("assignee_id", flat=True).first()
