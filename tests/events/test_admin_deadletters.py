"""The dead letters in the admin: seen by staff only, replayed from the page."""

import time
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from config.events import deadletters, topology
from tests.events import probe
from tests.events.broker import Broker, eventually
from tests.events.conftest import Append, Processes
from tests.events.effects import await_effects, execute

pytestmark = pytest.mark.stack

PAGE = "/admin/events/deadletter/"
DLQ = topology.dead_letter_queue(probe.QUEUE)


def entered(client: Client, name: str, *, staff: bool) -> Client:
    user = User.objects.create(id=name, username=name, is_staff=staff)
    client.force_login(user, backend="accounts.backend.KeycloakBackend")
    session = client.session
    session["keycloak"] = {"sid": "", "iat": int(time.time()), "seen": int(time.time())}  # as a login leaves it
    session.save()
    return client


def test_admin_deadletters_are_not_for_users(client: Client, log_table: None, redis: Any) -> None:
    assert entered(client, "alice", staff=False).get(PAGE).status_code == 302


def test_admin_deadletters_replay(
    client: Client, processes: Processes, append: Append, broker: Broker, redis: Any
) -> None:
    processes.relay()
    processes.worker()
    execute("ALTER TABLE probe_effect RENAME TO probe_effect_away")
    event = append(note="<script>alert(1)</script>")
    eventually(lambda: broker.count(DLQ) == 1, within=60, what="a dead letter")
    execute("ALTER TABLE probe_effect_away RENAME TO probe_effect")
    ada = entered(client, "ada", staff=True)
    page = ada.get(PAGE).content.decode()
    assert str(event) in page
    assert "<script>alert" not in page
    (letter,) = deadletters.listing()
    assert ada.post(PAGE, {"action": "replay", "letter": [letter.id]}).status_code == 302
    assert await_effects(1) == [event]
    assert "There are none." in ada.get(PAGE).content.decode()


def test_admin_deadletters_without_a_broker(client: Client, settings: Any, log_table: None, redis: Any) -> None:
    settings.BROKER_URL = "amqp://nobody@127.0.0.1:1//"
    page = entered(client, "ada", staff=True).get(PAGE)
    assert page.status_code == 200
    assert "The broker does not answer" in page.content.decode()
