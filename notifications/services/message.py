"""What a mail says, and to whom. Titles are anybody's text: they may change neither headers nor markup."""

import unicodedata
from email.utils import format_datetime
from hashlib import sha256
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.core.mail.message import sanitize_address
from django.template.loader import render_to_string

from accounts import services as accounts
from config.observability import context
from notifications.models import Notification
from notifications.services import preferences

SUBJECTS = {"task.completed": "Completed: {title}", "task.assigned": "Assigned to you: {title}"}


class Unaddressable(Exception):
    """The user has no address any more, or one that no mail can be sent to."""


def compose(row: Notification) -> EmailMultiAlternatives:
    """Raises Unaddressable."""
    at = row.at.astimezone(ZoneInfo(preferences.of(row.user_id).time_zone))
    values = {
        "title": row.title,
        "type": row.type,
        "at": f"{at:%d %B %Y, %H:%M %Z}".lstrip("0"),
        "url": f"{settings.SITE_URL}/v1/tasks/{row.task_id}",
    }
    mail = EmailMultiAlternatives(
        subject=SUBJECTS[row.type].format(title=_one_line(row.title)),
        body=render_to_string("notifications/email.txt", values),
        to=[_address(row.user_id)],
        headers={
            "Message-ID": message_id(row),
            "Date": format_datetime(row.at),
            "Auto-Submitted": "auto-generated",  # RFC 3834: nobody's absence note answers it
            "X-Request-Id": context.request_id.get() or "-",
        },
    )
    mail.attach_alternative(render_to_string("notifications/email.html", values), "text/html")
    return mail


def message_id(row: Notification) -> str:
    """The same for each try at one event and recipient (RFC 5322 §3.6.4)."""
    recipient = sha256(row.user_id.encode()).hexdigest()[:16]
    return f"<{row.event_id}.{recipient}@{urlsplit(settings.SITE_URL).hostname}>"


def _one_line(title: str) -> str:
    """A header ends at a line break, after which a title could begin another (`Bcc: …`)."""
    return " ".join("".join(" " if unicodedata.category(char) == "Cc" else char for char in title).split())


def _address(user: str) -> str:
    address = accounts.email_addresses([user]).get(user)
    if address is None:
        raise Unaddressable("The user has no e-mail address any more.")
    try:
        sanitize_address(address, "utf-8")
    except ValueError as error:
        raise Unaddressable("The user's e-mail address is none.") from error
    return address
