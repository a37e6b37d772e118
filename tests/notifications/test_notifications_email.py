"""A completed task is one mail to each person it concerns, whatever happens on the way."""

from datetime import UTC, datetime, timedelta
from email.header import decode_header, make_header
from email.message import Message
from typing import Any

import pytest

from notifications.models import EmailStatus, Notification
from notifications.services import email, inbox
from tests.cast import Caller
from tests.events_by_hand import delivered
from tests.notifications.conftest import MailServer


def completed(owner: Caller, **fields: Any) -> dict[str, Any]:
    task = owner.make(**fields)
    assert owner.patch(f"/v1/tasks/{task['id']}", {"status": "completed"}).status_code == 200
    (event,) = delivered(task["id"], "task.completed")
    return event


def subject_of(mail: Message) -> str:
    return str(make_header(decode_header(mail["Subject"])))


def text_of(mail: Message, kind: str) -> str:
    (part,) = [part for part in mail.walk() if part.get_content_type() == kind]
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload.decode()


def test_the_owner_gets_one_mail(alice: Caller, mail_server: MailServer) -> None:
    (notification,) = inbox.note(completed(alice, title="Paint the fence"))
    email.send(notification)
    email.send(notification)
    assert mail_server.recipients == [["alice@example.com"]]
    assert subject_of(mail_server.mails[0]) == "Completed: Paint the fence"
    assert "Paint the fence" in text_of(mail_server.mails[0], "text/plain")
    row = Notification.objects.get()
    assert (row.email_status, row.email_attempts) == (EmailStatus.SENT, 1)


def test_the_assignee_is_told_too(alice: Caller, bob: Caller, mail_server: MailServer) -> None:
    for notification in inbox.note(completed(alice, assignee=bob.id)):
        email.send(notification)
    assert sorted(mail_server.recipients) == [["alice@example.com"], ["bob@example.com"]]


def test_an_assignment_tells_the_new_assignee_only(alice: Caller, bob: Caller, mail_server: MailServer) -> None:
    task = alice.make(title="Carry water")
    alice.patch(f"/v1/tasks/{task['id']}", {"assignee": bob.id})
    (event,) = delivered(task["id"], "task.updated")
    (notification,) = inbox.note(event)
    email.send(notification)
    assert mail_server.recipients == [["bob@example.com"]]
    assert subject_of(mail_server.mails[0]) == "Assigned to you: Carry water"


@pytest.mark.parametrize(
    "title",
    [
        "x\r\nBcc: eve@example.com",
        "x\nSubject: other",
        "<script>alert(1)</script>",
        "{{ settings.SECRET_KEY }} {% now 'Y' %}",
        "é \U0001f4a9 \u2028 \x7f",
    ],
)
def test_a_hostile_title_changes_neither_recipients_nor_markup(
    alice: Caller, mail_server: MailServer, title: str
) -> None:
    (notification,) = inbox.note(completed(alice, title=title))
    email.send(notification)
    (mail,) = mail_server.mails
    assert mail_server.recipients == [["alice@example.com"]]
    assert mail["Bcc"] is None
    assert len(mail.get_all("Subject", [])) == 1
    assert "<script>" not in text_of(mail, "text/html")
    assert title.split("\r\n", maxsplit=1)[0].split("\n", maxsplit=1)[0] in text_of(mail, "text/plain")


def test_a_temporary_refusal_is_tried_again(alice: Caller, mail_server: MailServer) -> None:
    (notification,) = inbox.note(completed(alice))
    mail_server.refuse = "451 4.3.0 Later"
    with pytest.raises(email.TryAgain):
        email.send(notification)
    assert Notification.objects.get().email_status == EmailStatus.PENDING
    mail_server.refuse = ""
    email.send(notification)
    assert len(mail_server.mails) == 1
    assert Notification.objects.get().email_attempts == 2


def test_a_permanent_refusal_ends_it_with_the_reason(alice: Caller, mail_server: MailServer) -> None:
    (notification,) = inbox.note(completed(alice))
    mail_server.refuse = "550 5.1.1 No such user"
    email.send(notification)
    row = Notification.objects.get()
    assert row.email_status == EmailStatus.FAILED
    assert "No such user" in row.email_error


def test_a_dead_mail_server_is_given_up_after_the_last_attempt(
    alice: Caller, mail_server: MailServer, settings: Any
) -> None:
    (notification,) = inbox.note(completed(alice))
    settings.EMAIL_PORT = 1
    for _ in range(email.MOST_ATTEMPTS - 1):
        with pytest.raises(email.TryAgain):
            email.send(notification)
    email.send(notification)
    assert Notification.objects.get().email_status == EmailStatus.FAILED


def test_a_mail_whose_worker_died_is_found_again(alice: Caller, mail_server: MailServer) -> None:
    (notification,) = inbox.note(completed(alice))
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    Notification.objects.update(email_status=EmailStatus.SENDING, email_at=long_ago)
    assert email.overdue() == [notification]
    email.send(notification)
    assert len(mail_server.mails) == 1
    assert email.overdue() == []


def test_somebody_without_an_address_is_told_in_the_inbox_only(client_for: Any, mail_server: MailServer) -> None:
    silent = client_for("alice", email=None)
    assert inbox.note(completed(silent)) == []
    assert Notification.objects.get().email_status == EmailStatus.NONE
