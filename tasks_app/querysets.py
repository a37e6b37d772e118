"""Who may see which tasks, and what the lists filter by. The API, the admin and the jobs all ask here."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models.expressions import RawSQL

if TYPE_CHECKING:
    from accounts.principal import Principal
    from tasks_app.models import Task  # noqa: F401

# The first condition is the expression of the index `task_searched`.
SEARCH = """
    task_words("task"."title", "task"."description", "task"."owner", "task"."assignee")
        @@ task_query(websearch_to_tsquery('simple', %s), %s::text)
    AND (
        task_phrase(websearch_to_tsquery('simple', %s)) IS NULL
        OR to_tsvector('simple', "task"."title" || ' ' || "task"."description") @@ websearch_to_tsquery('simple', %s)
    )
"""


def visible(principal: "Principal", owner: str, assignee: str | None) -> bool:
    """`TaskQuerySet.visible_to` for one task that was read before."""
    return principal.may("tasks:admin") or principal.id in {owner, assignee}


class TaskQuerySet(models.QuerySet["Task"]):
    def alive(self) -> "TaskQuerySet":
        """Not in the trash."""
        return self.filter(deleted_at__isnull=True)

    def trashed(self) -> "TaskQuerySet":
        return self.filter(deleted_at__isnull=False)

    def visible_to(self, principal: "Principal") -> "TaskQuerySet":
        """What the principal may know of: own tasks and assigned ones; with `tasks:admin` everybody's."""
        if principal.may("tasks:admin"):
            return self
        return self.filter(models.Q(owner_id=principal.id) | models.Q(assignee_id=principal.id))

    def created_between(self, low: Any | None, high: Any | None) -> "TaskQuerySet":
        """By the id bounds that the times imply, so that partitions are pruned: `low` <= id < `high`."""
        tasks = self if low is None else self.filter(id__gte=low)
        return tasks if high is None else tasks.filter(id__lt=high)

    def due_between(self, low: datetime | None, high: datetime | None) -> "TaskQuerySet":
        tasks = self if low is None else self.filter(due_at__gte=low)
        return tasks if high is None else tasks.filter(due_at__lt=high)

    def matching(self, words: str, person: str | None = None) -> "TaskQuerySet":
        """Full-text search over title and description, in web search syntax ("quoted phrase", -not, or).

        `person` owns all tasks that are wanted, or is their assignee; None looks at everybody's.
        """
        return self.filter(RawSQL(SEARCH, [words, person, words, words], output_field=models.BooleanField()))  # noqa: S611
