"""Dead letters seen and dealt with, at the command line."""

import io
import json
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from config.events import deadletters, topology
from config.events.models import DeadLetter
from tests.events import probe
from tests.events.broker import Broker, eventually
from tests.events.conftest import Append, Processes
from tests.events.effects import await_effects, execute

pytestmark = pytest.mark.stack

DLQ = topology.dead_letter_queue(probe.QUEUE)


def manage(*arguments: Any) -> str:
    output = io.StringIO()
    call_command("deadletters", *arguments, stdout=output)
    return output.getvalue()


@pytest.fixture
def letter(processes: Processes, append: Append, broker: Broker) -> deadletters.Letter:
    """Of an event whose consumer has a bug; the worker goes on running."""
    processes.relay()
    processes.worker()
    append(**{"raise": "poison"})
    eventually(lambda: broker.count(DLQ) == 1, within=60, what="a dead letter")
    return deadletters.listing()[0]


def test_deadletters_list_and_show(letter: deadletters.Letter, broker: Broker) -> None:
    """Looking takes nothing away."""
    assert letter.id in manage("list")
    assert "0 dead letters" in manage("list", "--queue", "task.export")
    shown = json.loads(manage("show", letter.id))
    assert (shown["event_id"], shown["task"]) == (letter.event_id, probe.NAME)
    assert "never" in shown["error"]
    assert eventually(lambda: broker.count(DLQ) == 1, within=30, what="the letter's return")


def test_deadletters_replay_fails_again(letter: deadletters.Letter, broker: Broker) -> None:
    """With the bug still there the message dies once more, and is one letter, not two."""
    assert manage("replay", letter.id) == "replayed 1\n"
    noted = DeadLetter.objects.filter(id=letter.id, replayed_at=None)
    eventually(noted.exists, within=60, what="the second death")
    eventually(lambda: broker.count(DLQ) == 1, within=60, what="its letter")


def test_deadletters_purge(letter: deadletters.Letter, broker: Broker) -> None:
    assert manage("purge", letter.id) == "purged 1\n"
    eventually(lambda: broker.count(DLQ) == 0, within=30, what="the letter's end")
    assert DeadLetter.objects.get(id=letter.id).replayed_at is not None


def test_deadletters_replay_when_the_bug_is_fixed(processes: Processes, append: Append, broker: Broker) -> None:
    """The table that the consumer writes to is away, and is there again when the letter is replayed."""
    processes.relay()
    processes.worker()
    execute("ALTER TABLE probe_effect RENAME TO probe_effect_away")
    event = append()
    eventually(lambda: broker.count(DLQ) == 1, within=60, what="a dead letter")
    execute("ALTER TABLE probe_effect_away RENAME TO probe_effect")
    assert manage("replay", "--all", "--queue", probe.QUEUE) == "replayed 1\n"
    assert await_effects(1) == [event]
    assert "0 dead letters" in manage("list")


def test_deadletters_refuse_what_is_not_there(broker: Broker, log_table: None) -> None:
    with pytest.raises(CommandError, match="`deadletters list` shows them"):
        manage("show", "nothing")
    with pytest.raises(CommandError, match="`deadletters list` shows them"):
        manage("purge", "nothing")
    with pytest.raises(CommandError, match="give --all"):
        manage("purge")


def test_deadletters_without_a_broker(settings: Any, log_table: None) -> None:
    settings.BROKER_URL = "amqp://nobody@127.0.0.1:1//"
    with pytest.raises(CommandError, match="The broker does not answer"):
        manage("list")
