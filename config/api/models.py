from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models

from config.events.fields import Xid8Field


class IdempotencyKey(models.Model):
    """The answer to a write, kept for 24 h (`manage.py purge`), for the same call made again."""

    principal = models.CharField(max_length=255)
    route = models.CharField(max_length=200)
    key = models.CharField(max_length=255)
    fingerprint = models.BinaryField(max_length=32)
    status = models.SmallIntegerField()
    headers = models.JSONField()
    body = models.BinaryField()
    subject = models.UUIDField(null=True)
    # Of an answer about several objects; its index holds only these, so that other writes do not pay for it.
    subjects = ArrayField(models.UUIDField(), null=True)
    xid = Xid8Field(null=True)  # type: ignore[misc]  # of the write; None when nothing was written
    gone = models.BooleanField(default=False)
    created_at = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "idempotency_key"
        constraints = [models.UniqueConstraint(fields=["principal", "route", "key"], name="idempotency_key_once")]
        indexes = [
            models.Index(fields=["subject"], name="idempotency_key_subject"),
            GinIndex(fields=["subjects"], condition=models.Q(subjects__isnull=False), name="idempotency_key_subjects"),
        ]

    def __str__(self) -> str:
        return f"{self.route} {self.key}"
