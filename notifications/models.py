from django.db import models

from config.data import ids


class EmailStatus(models.TextChoices):
    NONE = "none"  # the user has no address
    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"


class Notification(models.Model):
    """What one user is told about one event: a row of the inbox, and the state of its e-mail.

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
