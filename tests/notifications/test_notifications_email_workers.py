"""Several workers and one mail: real processes and threads, real connections, a real SMTP server."""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, connections

from config.data import leases
from notifications.models import EmailStatus, Notification
from notifications.services import email, inbox
from tests.cast import Caller
from tests.events.broker import eventually
from tests.notifications.conftest import MailServer
from tests.notifications.test_notifications_email import completed

pytestmark = pytest.mark.django_db(transaction=True)

_SEND = """
import sys, uuid
import tests.environment, django
django.setup()
from django.conf import settings
from notifications.services import email
settings.EMAIL_TIMEOUT = 60
email.send(uuid.UUID(sys.argv[1]))
"""


@pytest.fixture
def worker(mail_server: MailServer, settings: Any) -> Iterator[Any]:
    """A process that sends one mail, as a worker's child does."""
    started: list[subprocess.Popen[bytes]] = []

    def start(notification: UUID) -> subprocess.Popen[bytes]:
        dsn = "postgresql://{USER}:{PASSWORD}@{HOST}:{PORT}/{NAME}".format(**connection.settings_dict)
        mail = f"smtp://{settings.EMAIL_HOST}:{settings.EMAIL_PORT}"
        env = {**os.environ, "DATABASE_URL": dsn, "EMAIL_URL": mail, "PYTHONPATH": "."}
        started.append(subprocess.Popen([sys.executable, "-c", _SEND, str(notification)], env=env))
        return started[-1]

    yield start
    mail_server.answer.set()
    for process in started:
        process.kill()
        process.wait()


def send_here(notification: UUID) -> str:
    try:
        email.send(notification)
    except leases.Held:
        return "held"
    finally:
        connections.close_all()
    return "done"


def test_eight_workers_send_one_mail(alice: Caller, mail_server: MailServer) -> None:
    (notification,) = inbox.note(completed(alice))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(send_here, [notification] * 8))
    assert mail_server.recipients == [["alice@example.com"]]
    assert Notification.objects.get().email_attempts == 1


def test_a_worker_that_is_killed_while_it_sends_is_followed(
    alice: Caller, mail_server: MailServer, worker: Any
) -> None:
    (notification,) = inbox.note(completed(alice))
    mail_server.answer.clear()
    process = worker(notification)
    eventually(mail_server.asked.is_set, within=60, what="a worker in the middle of its mail")
    process.kill()
    process.wait()
    mail_server.answer.set()
    assert send_here(notification) == "held"
    eventually(lambda: send_here(notification) == "done", within=30, what="the end of the lease")
    assert mail_server.recipients == [["alice@example.com"]]
    row = Notification.objects.get()
    assert (row.email_status, row.email_attempts) == (EmailStatus.SENT, 2)


def test_a_slow_mail_server_is_no_dead_worker(alice: Caller, mail_server: MailServer, worker: Any) -> None:
    """The lease is renewed while the server thinks, for longer than a lease lasts."""
    (notification,) = inbox.note(completed(alice))
    mail_server.answer.clear()
    process = worker(notification)
    eventually(mail_server.asked.is_set, within=60, what="a worker in the middle of its mail")
    first = Notification.objects.get().email_at
    assert first is not None
    eventually(lambda: _renewed(first), within=40, what="a lease renewed past its first end")
    assert send_here(notification) == "held"
    mail_server.answer.set()
    assert process.wait(60) == 0
    assert mail_server.recipients == [["alice@example.com"]]


def _renewed(first: Any) -> bool:
    at = Notification.objects.get().email_at
    return at is not None and at > first + leases.LEASE
