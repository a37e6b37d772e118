"""The event log and the state of those who read it.

`event` is the outbox, a task's history, the change feed and the source of analytics at once. It is partitioned by
month on `id`, as `task` is (config.data.partitions).
"""

from typing import Any

from django.db import models
from django.db.models.functions import Now

from config.data import ids
from config.events.fields import CurrentTransaction, Xid8Field


class Event(models.Model):
    """One change of state. Never updated, but for a purge, which takes the text out of `changes` and `data`.

    Commit order is not id order, so readers that must miss nothing go by `(xid, id)` and stop before
    `pg_snapshot_xmin(pg_current_snapshot())`.
    """

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    xid = Xid8Field(db_default=CurrentTransaction(), editable=False)
    type = models.CharField(max_length=64)
    subject = models.UUIDField()
    owner = models.CharField(max_length=255)
    actor = models.CharField(max_length=255)
    version = models.IntegerField(null=True)
    changes = models.JSONField(null=True)
    data = models.JSONField(null=True)
    request_id = models.CharField(max_length=64, default="")
    traceparent = models.CharField(max_length=55, default="")
    at = models.DateTimeField()

    class Meta:
        db_table = "event"
        indexes = [
            models.Index(fields=["xid", "id"], name="event_log"),
            models.Index(fields=["subject", "xid", "id"], name="event_subject"),
            models.Index(fields=["owner", "xid", "id"], name="event_owner"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.id}"


class ProcessedEvent(models.Model):
    """This consumer has had its effect of this event: inserted in the effect's own transaction."""

    pk: Any = models.CompositePrimaryKey("event_id", "consumer")
    event_id = models.UUIDField()
    consumer = models.CharField(max_length=100)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "events_processed"

    def __str__(self) -> str:
        return f"{self.consumer} {self.event_id}"


class RelayCursor(models.Model):
    """A place in the log: `relay` has published everything up to it, `dropped` is where the kept log begins."""

    name = models.CharField(max_length=32, primary_key=True)
    xid = Xid8Field()
    event_id = models.UUIDField(db_column="id")

    class Meta:
        db_table = "events_cursor"

    def __str__(self) -> str:
        return self.name


class DeadLetter(models.Model):
    """A message that no consumer could handle, where the broker has no dead-letter queues (redis://)."""

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    queue = models.CharField(max_length=64)
    task = models.CharField(max_length=128)
    event_id = models.UUIDField(null=True)
    payload = models.JSONField()
    error = models.TextField()
    died_at = models.DateTimeField(db_default=Now())
    replayed_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "events_dead_letter"
        indexes = [models.Index(fields=["queue", "id"], name="events_dead_letter_queue")]

    def __str__(self) -> str:
        return f"{self.task} in {self.queue}"
