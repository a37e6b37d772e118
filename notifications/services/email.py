"""One mail for one notification, over SMTP. At least once: a worker that dies after sending sends it again, with
the same Message-ID, which mail programs show once.
"""

import smtplib
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from uuid import UUID

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.db.models import F
from django.template.loader import render_to_string

from accounts import services as accounts
from notifications.models import EmailStatus, Notification

LEASE = timedelta(minutes=5)  # longer than any SMTP dialogue (EMAIL_TIMEOUT)
MOST_ATTEMPTS = 8
SUBJECTS = {"task.completed": "Completed: {title}", "task.assigned": "Assigned to you: {title}"}


class TryAgain(Exception):
    """The mail server refused for now, or could not be reached; the notification is pending again."""


def send(notification: UUID) -> None:
    """Sends the mail if nobody has, and notes the outcome. Raises TryAgain after a temporary failure."""
    claimed = Notification.objects.filter(id=notification, email_status=EmailStatus.PENDING)
    until = datetime.now(UTC) + LEASE
    if not claimed.update(email_status=EmailStatus.SENDING, email_at=until, email_attempts=F("email_attempts") + 1):
        return  # sent, being sent, or gone
    row = Notification.objects.using("default").get(id=notification)
    try:
        _message(row).send()
    except (smtplib.SMTPException, OSError) as error:
        _failed(row, error)
    else:
        _settle(row, EmailStatus.SENT)


def overdue() -> list[UUID]:
    """Mails whose worker died, or whose job was never published: they are pending again."""
    now = datetime.now(UTC)
    Notification.objects.filter(email_status=EmailStatus.SENDING, email_at__lt=now).update(
        email_status=EmailStatus.PENDING
    )
    left = Notification.objects.filter(email_status=EmailStatus.PENDING, email_at__lt=now - timedelta(minutes=1))
    return list(left.order_by("email_at").values_list("id", flat=True)[:500])


def _failed(row: Notification, error: smtplib.SMTPException | OSError) -> None:
    if _permanent(error) or row.email_attempts >= MOST_ATTEMPTS:
        _settle(row, EmailStatus.FAILED, str(error))
        return
    _settle(row, EmailStatus.PENDING, str(error))
    raise TryAgain(str(error)) from error


def _settle(row: Notification, status: EmailStatus, error: str = "") -> None:
    Notification.objects.filter(id=row.id, email_status=EmailStatus.SENDING).update(
        email_status=status, email_at=datetime.now(UTC), email_error=error[:500]
    )


def _permanent(error: Exception) -> bool:
    """A 5xx answer (RFC 5321 §4.2.1): the same mail would be refused again."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return all(code >= 500 for code, _ in error.recipients.values())
    return isinstance(error, smtplib.SMTPResponseException) and error.smtp_code >= 500


def _message(row: Notification) -> EmailMultiAlternatives:
    # A header ends at a line break: a title must not be able to add one (`Bcc: …`).
    title = " ".join(row.title.split())
    context = {"title": row.title, "type": row.type, "url": f"{settings.SITE_URL}/v1/tasks/{row.task_id}", "row": row}
    message = EmailMultiAlternatives(
        subject=SUBJECTS[row.type].format(title=title),
        body=render_to_string("notifications/email.txt", context),
        to=[accounts.email_addresses([row.user_id])[row.user_id]],
        headers={"Message-ID": f"<{row.id}@taskmill>", "Date": formatdate(row.at.timestamp())},
        connection=get_connection(),
    )
    message.attach_alternative(render_to_string("notifications/email.html", context), "text/html")
    return message
