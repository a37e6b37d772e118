"""The mail of one notification: claimed, sent, settled. The row is the truth about it.

At least once: a worker that dies between the server's "250" and the row's update sends again, with the same
Message-ID, by which a duplicate is known.
"""

import smtplib
from datetime import timedelta
from uuid import UUID

from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from config.data import leases
from notifications.models import EmailStatus, Notification
from notifications.services import message

# With the pauses between them this is most of a day: a mail server may be down for hours.
MOST_ATTEMPTS = 30
LONGEST_PAUSE = 3600  # seconds
GRACE = timedelta(seconds=30)  # a job that was published needs no second one yet

Failure = smtplib.SMTPException | OSError | message.Unaddressable


class TryAgain(Exception):
    """The mail server refused for now, or could not be reached. The mail is pending again, due in `seconds`."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"next try in {seconds} s")
        self.seconds = seconds


def send(notification: UUID) -> None:
    """Sends the mail unless that was done, and notes the outcome. Raises TryAgain, or Held while another sends it."""
    row = _claim(notification)
    if row is None:
        return
    if row.email_attempts > MOST_ATTEMPTS:  # its workers died, or it would have been settled
        _settle(row, EmailStatus.FAILED, "Given up after many tries.")
        return
    try:
        with leases.kept(lambda: _mine(row).update(email_at=leases.until())):
            message.compose(row).send()
    except (smtplib.SMTPException, OSError, message.Unaddressable) as error:
        _failed(row, error)
    else:
        _settle(row, EmailStatus.SENT)


def overdue() -> list[UUID]:
    """Mails whose job was lost or is due after a long pause, and those in the hands of the dead."""
    open_ = Notification.objects.filter(email_status__in=(EmailStatus.PENDING, EmailStatus.SENDING))
    late = open_.filter(email_at__lt=leases.from_now(-GRACE))
    return list(late.order_by("email_at").values_list("id", flat=True)[:500])


def _claim(notification: UUID) -> Notification | None:
    """None when there is nothing to send. One of many callers gets the row; nobody waits for another."""
    this = Notification.objects.using("default").filter(id=notification)
    free = Q(email_status=EmailStatus.PENDING) | Q(email_status=EmailStatus.SENDING, email_at__lt=Now())
    attempt = F("email_attempts") + 1
    if this.filter(free).update(email_status=EmailStatus.SENDING, email_at=leases.until(), email_attempts=attempt):
        return this.first()  # None: purged since
    if this.filter(email_status=EmailStatus.SENDING).exists():
        raise leases.Held
    return None


def _failed(row: Notification, error: Failure) -> None:
    if _permanent(error) or row.email_attempts >= MOST_ATTEMPTS:
        _settle(row, EmailStatus.FAILED, str(error))
        return
    pause = min(2**row.email_attempts, LONGEST_PAUSE)
    _settle(row, EmailStatus.PENDING, str(error), timedelta(seconds=pause))
    raise TryAgain(pause) from error


def _settle(row: Notification, status: EmailStatus, error: str = "", due: timedelta = timedelta()) -> None:
    _mine(row).update(email_status=status, email_at=leases.from_now(due), email_error=error[:500])


def _mine(row: Notification) -> "QuerySet[Notification]":
    """The row while this try has it: a worker that stood still must not undo what its successor did."""
    this = Notification.objects.filter(id=row.id)
    return this.filter(email_status=EmailStatus.SENDING, email_attempts=row.email_attempts)


def _permanent(error: Failure) -> bool:
    """The server has refused this recipient or this mail for good (RFC 5321 §4.2.1).

    Any other 5xx is about us, such as a wrong password: an operator may yet put it right.
    """
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return all(code >= 500 for code, _ in error.recipients.values())
    if isinstance(error, smtplib.SMTPDataError):
        return error.smtp_code >= 500
    return isinstance(error, message.Unaddressable)
