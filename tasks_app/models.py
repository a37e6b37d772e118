"""The task. Its table is partitioned by month on `id`: see docs/decisions/0001-partition-by-id.md."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models

from config.data import ids
from tasks_app.querysets import TaskQuerySet


class Status(models.TextChoices):
    PENDING = "pending"
    IN_PROGRESS = "in-progress"
    COMPLETED = "completed"


class Priority(models.TextChoices):
    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    URGENT = "urgent"


def _person(column: str, **more: Any) -> Any:
    """A reference to a user without a constraint: it would be checked on each insert into each partition, and a
    user row is made before the first call of its user is answered."""
    return models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        db_column=column,
        **more,
    )


class Task(models.Model):
    """A thing to do. `id` is a UUIDv7: its order is the order of creation, and it names the partition."""

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    title = models.CharField(max_length=200)
    description = models.TextField(default="", blank=True)
    status = models.CharField(max_length=16, choices=Status, default=Status.PENDING)
    priority = models.CharField(max_length=16, choices=Priority, default=Priority.NORMAL)
    due_at = models.DateTimeField(null=True, blank=True)
    labels = ArrayField(models.CharField(max_length=50), default=list, blank=True)
    owner = _person("owner", related_name="+")
    assignee = _person("assignee", related_name="+", null=True, blank=True)
    version = models.IntegerField(default=1)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    completed_at = models.DateTimeField(null=True, blank=True)
    deleted_at = models.DateTimeField(null=True, blank=True)

    objects = TaskQuerySet.as_manager()

    class Meta:
        db_table = "task"

    def __str__(self) -> str:
        return self.title

    @staticmethod
    def derived(changes: Mapping[str, Any], now: datetime) -> dict[str, Any]:
        """The fields that follow from others: `completed_at` follows `status`."""
        if "status" not in changes:
            return {}
        return {"completed_at": now if changes["status"] == Status.COMPLETED else None}


class ImportedRow(models.Model):
    """The task that an import made of a row which tells neither an id nor a time, so that the next run finds it."""

    row = models.UUIDField(primary_key=True)
    task = models.UUIDField()

    class Meta:
        db_table = "task_import"

    def __str__(self) -> str:
        return f"{self.row}: {self.task}"


class TaskCount(models.Model):
    """How many living tasks an owner has got or lost, by status and, until they are completed, by day (UTC) due.

    The triggers of `task` add a row for each statement; the sum of an owner's rows is what he has. No row is ever
    changed, so that no writer waits for another. `services.counts` folds rows into their sums.
    """

    owner = models.CharField(max_length=255)
    status = models.CharField(max_length=16)
    due_on = models.DateField(null=True)
    number = models.BigIntegerField()
    folded = models.BooleanField(db_default=False)

    class Meta:
        db_table = "task_count"
        indexes = [
            models.Index(fields=["owner"], include=["status", "due_on", "number"], name="task_count_owner"),
            models.Index(fields=["owner"], condition=models.Q(folded=False), name="task_count_unfolded"),
        ]

    def __str__(self) -> str:
        return f"{self.number:+} {self.status} of {self.owner}"
