from django.contrib.postgres.fields import ArrayField
from django.db import models

from config.data import ids


class EmailStatus(models.TextChoices):
    NONE = "none"  # the user has no address, or wants no mail
    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"


class Notification(models.Model):
    """What one user is told about one event: a row of the inbox and the state of its e-mail, or only the latter.

    The row is the truth about the mail, so that a redelivered event or a killed worker never sends it twice
    knowingly: a mail goes out only from `pending`, by a conditional update.
    """

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    user_id = models.CharField(max_length=255)
    event_id = models.UUIDField()
    type = models.CharField(max_length=64)
    task_id = models.UUIDField()
    title = models.CharField(max_length=200)
    at = models.DateTimeField()
    inbox = models.BooleanField("in the inbox", default=True, db_default=True)
    read_at = models.DateTimeField(null=True, blank=True)
    email_status = models.CharField(max_length=16, choices=EmailStatus, default=EmailStatus.NONE)
    email_attempts = models.SmallIntegerField(default=0)
    email_error = models.CharField(max_length=500, default="", blank=True)
    # When the mail was sent, or until when a worker that sends it is waited for.
    email_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "notification"
        constraints = [models.UniqueConstraint(fields=["event_id", "user_id"], name="notification_once")]
        indexes = [
            models.Index(fields=["user_id", "-id"], name="notification_inbox"),
            models.Index(fields=["task_id"], name="notification_task"),
            models.Index(
                fields=["email_at"],
                condition=models.Q(email_status__in=("pending", "sending")),
                name="notification_unsent",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.title}"


class Preferences(models.Model):
    """What one user wants to be told, and in which time zone. Without a row: everything, in UTC."""

    user_id = models.CharField(max_length=255, primary_key=True)
    version = models.PositiveIntegerField()
    time_zone = models.CharField(max_length=64)
    # `<event type> <channel>` of what is switched off: a new type or channel is on for everybody.
    muted = ArrayField(models.CharField(max_length=80))

    class Meta:
        db_table = "notification_preferences"
        verbose_name_plural = "preferences"

    def __str__(self) -> str:
        return self.user_id
