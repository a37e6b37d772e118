import json
import signal
from typing import Any

import pytest
from kombu import Connection

from config.events import topology
from config.events.messages import task_id
from tests.events.broker import Broker, eventually
from tests.events.conftest import Append, Processes
from tests.events.effects import await_effects, query

pytestmark = pytest.mark.stack


def test_relay_publish_reaches_the_subscriber_once(processes: Processes, append: Append) -> None:
    """From the log through the broker to one effect, and the cursor stands behind it."""
    processes.relay()
    processes.worker()
    event = append()
    assert await_effects(1) == [event]
    eventually(lambda: query("SELECT id FROM events_cursor") == [(event,)], within=10, what="the cursor's move")


@pytest.fixture
def listener(broker: Broker) -> Any:
    """A consumer in any language: a queue of its own, bound to event types."""
    with Connection(broker.url) as connection:
        channel: Any = connection.channel()
        topology.declare(channel)
        name = channel.queue_declare("listener", exclusive=True).queue
        channel.queue_bind(name, topology.EVENTS.name, "probe.*")
        yield lambda: channel.basic_get(name, no_ack=True)


def test_relay_publish_is_a_cloud_event(processes: Processes, append: Append, listener: Any) -> None:
    processes.relay()
    event = append(version=7, note="hello")
    message = eventually(listener, within=60, what="a CloudEvent")
    body = json.loads(message.body)
    assert message.properties["content_type"] == "application/cloudevents+json; charset=utf-8"
    assert (body["specversion"], body["id"], body["type"]) == ("1.0", str(event), "probe.happened")
    assert body["data"] == {
        "owner": "alice",
        "actor": "alice",
        "version": 7,
        "changes": None,
        "data": {"note": "hello"},
    }
    assert body["sequence"].endswith(str(event))


def test_relay_publish_sends_no_task_to_other_listeners(processes: Processes, append: Append, listener: Any) -> None:
    """A binding by event type sees events, not the in-house messages about them."""
    processes.relay()
    first, second = append(), append()
    seen = [json.loads(eventually(listener, within=60, what="a CloudEvent").body)["id"] for _ in range(2)]
    assert seen == [str(first), str(second)]
    assert listener() is None


def test_relay_publish_again_after_kill_before_the_cursor_moves(processes: Processes, append: Append) -> None:
    """Killed between the confirms and the cursor: published twice, one effect."""
    processes.worker()
    event = append()
    doomed = processes.relay(PROBE_DIE="1")
    assert doomed.wait(60) == -signal.SIGKILL
    assert await_effects(1) == [event]
    assert query("SELECT xid::text FROM events_cursor") == [("0",)]
    successor = processes.relay()
    eventually(lambda: processes.said(successor, "event published"), within=60, what="the second publication")
    last = append()
    assert await_effects(2) == [event, last]


def test_relay_publish_ends_after_the_batch_on_sigterm(processes: Processes, append: Append) -> None:
    relay = processes.relay()
    append()
    eventually(lambda: processes.said(relay, "event published"), within=60, what="the publication")
    relay.terminate()
    assert relay.wait(20) == 0
    assert processes.said(relay, "relay stopped")


def test_relay_publish_names_a_task_message_after_its_event(append: Append) -> None:
    """The same id however often it is published, so that a duplicate can be recognized in logs."""
    event = append()
    assert task_id(event, "prober") == task_id(event, "prober") != task_id(event, "other")
