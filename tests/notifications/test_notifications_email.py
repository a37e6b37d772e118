"""A completed task is one mail to each person it concerns, whatever happens on the way."""

from datetime import UTC, datetime, timedelta
from email.header import decode_header, make_header
from email.message import Message
from typing import Any

import pytest

from accounts.models import User
from config.data import leases
from config.events.models import ProcessedEvent
from notifications.models import EmailStatus, Notification
from notifications.services import email, inbox
from notifications.tasks import on_event
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
        "x\x0bBcc: eve@example.com\x1b[31m\x7f",
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


@pytest.mark.parametrize("answer", ["454 4.7.0 Later", "535 5.7.8 Wrong password"])
def test_what_the_server_says_of_us_is_no_verdict_on_the_mail(
    alice: Caller, mail_server: MailServer, answer: str
) -> None:
    (notification,) = inbox.note(completed(alice))
    mail_server.refuse_sender = answer
    with pytest.raises(email.TryAgain):
        email.send(notification)
    mail_server.refuse_sender = ""
    email.send(notification)
    assert len(mail_server.mails) == 1


def test_a_mail_that_is_refused_after_its_text_is_not_sent_again(alice: Caller, mail_server: MailServer) -> None:
    (notification,) = inbox.note(completed(alice))
    mail_server.refuse_data = "554 5.7.1 Spam"
    email.send(notification)
    email.send(notification)
    assert Notification.objects.get().email_status == EmailStatus.FAILED
    assert len(mail_server.recipients) == 0


def test_a_dead_mail_server_is_tried_for_most_of_a_day(alice: Caller, mail_server: MailServer, settings: Any) -> None:
    (notification,) = inbox.note(completed(alice))
    settings.EMAIL_PORT = 1
    waited = 0
    for _ in range(email.MOST_ATTEMPTS - 1):
        with pytest.raises(email.TryAgain) as later:
            email.send(notification)
        waited += later.value.seconds
    email.send(notification)
    assert Notification.objects.get().email_status == EmailStatus.FAILED
    assert waited > 12 * 3600


def test_a_mail_that_was_never_sent_is_found_again(alice: Caller, mail_server: MailServer) -> None:
    (notification,) = inbox.note(completed(alice))
    assert email.overdue() == []
    Notification.objects.update(email_at=an_hour_ago())
    assert email.overdue() == [notification]
    email.send(notification)
    assert len(mail_server.mails) == 1
    assert email.overdue() == []


def test_a_mail_whose_worker_died_is_sent_by_another(alice: Caller, mail_server: MailServer) -> None:
    (notification,) = inbox.note(completed(alice))
    Notification.objects.update(email_status=EmailStatus.SENDING, email_at=an_hour_ago())
    assert email.overdue() == [notification]
    email.send(notification)
    assert len(mail_server.mails) == 1
    assert email.overdue() == []


def test_a_mail_that_kills_every_worker_is_given_up(alice: Caller, mail_server: MailServer) -> None:
    (notification,) = inbox.note(completed(alice))
    Notification.objects.update(
        email_status=EmailStatus.SENDING, email_at=an_hour_ago(), email_attempts=email.MOST_ATTEMPTS
    )
    email.send(notification)
    assert Notification.objects.get().email_status == EmailStatus.FAILED
    assert mail_server.mails == []


def test_a_mail_in_anothers_hands_is_left_alone(alice: Caller, mail_server: MailServer) -> None:
    (notification,) = inbox.note(completed(alice))
    soon = datetime.now(UTC) + leases.LEASE
    Notification.objects.update(email_status=EmailStatus.SENDING, email_at=soon)
    with pytest.raises(leases.Held):
        email.send(notification)
    assert mail_server.mails == []


def test_a_worker_that_stood_still_does_not_undo_what_its_successor_did(alice: Caller, mail_server: MailServer) -> None:
    (notification,) = inbox.note(completed(alice))
    slow = email._claim(notification)
    assert slow is not None
    Notification.objects.update(email_at=an_hour_ago())
    email.send(notification)
    email._settle(slow, EmailStatus.PENDING, "time-out")
    assert Notification.objects.get().email_status == EmailStatus.SENT


def an_hour_ago() -> datetime:
    return datetime.now(UTC) - timedelta(hours=1)


@pytest.mark.parametrize("address", ["", "a@b,c@d", "a@b@c", "a b\nBcc: eve@example.com"])
def test_an_address_that_is_none_ends_it_with_a_reason(alice: Caller, mail_server: MailServer, address: str) -> None:
    (notification,) = inbox.note(completed(alice))
    User.objects.filter(id=alice.id).update(email=address)
    email.send(notification)
    assert mail_server.recipients == []
    row = Notification.objects.get()
    assert row.email_status == EmailStatus.FAILED
    assert "e-mail address" in row.email_error


def test_a_duplicate_is_known_by_its_message_id(alice: Caller, bob: Caller, mail_server: MailServer) -> None:
    event = completed(alice, assignee=bob.id)
    for notification in inbox.note(event):
        email.send(notification)
    Notification.objects.update(email_status=EmailStatus.PENDING)
    for notification in Notification.objects.order_by("id").values_list("id", flat=True):
        email.send(notification)
    ids = [mail["Message-ID"] for mail in mail_server.mails]
    assert len(ids) == 4
    assert len(set(ids)) == 2
    assert all(event["id"] in message_id for message_id in ids)


def test_a_second_delivery_of_an_event_makes_no_second_row(alice: Caller) -> None:
    """Also when the first one was so long ago that the consumer has forgotten it."""
    event = completed(alice)
    for _ in range(2):
        on_event.apply(kwargs={"event": event}, throw=True)
    ProcessedEvent.objects.all().delete()
    on_event.apply(kwargs={"event": event}, throw=True)
    assert Notification.objects.count() == 1


def test_somebody_without_an_address_is_told_in_the_inbox_only(client_for: Any, mail_server: MailServer) -> None:
    silent = client_for("alice", email=None)
    assert inbox.note(completed(silent)) == []
    assert Notification.objects.get().email_status == EmailStatus.NONE
