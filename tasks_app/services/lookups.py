"""Single facts about a task, for apps that react to its events."""

from uuid import UUID

from tasks_app.models import Task


def title(task: UUID) -> str | None:
    """None when the task was purged."""
    return Task.objects.filter(id=task).values_list("title", flat=True).first()


def assignee(task: UUID) -> str | None:
    return Task.objects.filter(id=task).values_list("assignee_id", flat=True).first()
