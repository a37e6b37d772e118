from datetime import UTC, datetime

from django.db import models

from config.data import ids
from config.events.fields import CurrentTransaction, Xid8Field


class Status(models.TextChoices):
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"
    EXPIRED = "expired"


class Format(models.TextChoices):
    CSV = "csv"
    NDJSON = "ndjson"


class Export(models.Model):
    """One file that somebody asked for. The row is the truth about the job; the broker only wakes a worker up."""

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    owner = models.CharField(max_length=255)
    format = models.CharField(max_length=8, choices=Format)
    filter = models.JSONField(default=dict, blank=True)
    reads_all = models.BooleanField("reads everybody's tasks", default=False)
    status = models.CharField(max_length=16, choices=Status, default=Status.QUEUED)
    progress = models.FloatField(default=0)
    rows = models.BigIntegerField(default=0)
    bytes = models.BigIntegerField(default=0)
    error = models.CharField(max_length=500, default="", blank=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)
    # Until when the worker that runs it is waited for, and which try it is: another one writes another file.
    lease_until = models.DateTimeField(null=True, blank=True)
    attempt = models.SmallIntegerField(default=0)
    # What the caller had written before he asked must be in the file: a replica has to be that far.
    xid = Xid8Field(db_default=CurrentTransaction(), editable=False)

    class Meta:
        db_table = "export"
        indexes = [
            models.Index(fields=["owner", "-id"], name="export_owner"),
            models.Index(
                fields=["lease_until"],
                condition=models.Q(status__in=("queued", "running")),
                name="export_unfinished",
            ),
            models.Index(fields=["expires_at"], condition=models.Q(status="completed"), name="export_expiry"),
        ]

    def __str__(self) -> str:
        return f"{self.format} {self.id}"

    @property
    def state(self) -> str:
        """The status as of now: a file's time is over when it says so, not when somebody comes to remove it."""
        over = self.expires_at is not None and self.expires_at <= datetime.now(UTC)
        return Status.EXPIRED if over and self.status == Status.COMPLETED else self.status
