"""What becomes of an event in a consumer: one effect, bounded tries, and never a lost message."""

import json
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from kombu import Connection, Producer

from config.events import deadletters, messages, topology
from config.events.outbox import Outbox
from config.events.publisher import Publisher
from config.observability import context
from tests.events import probe
from tests.events.broker import Broker, eventually
from tests.events.conftest import Append, Processes
from tests.events.effects import attempts, await_effects, effects

pytestmark = pytest.mark.stack

DLQ = topology.dead_letter_queue(probe.QUEUE)


def await_letter(broker: Broker, within: float = 90) -> deadletters.Letter:
    eventually(lambda: broker.count(DLQ), within=within, what="a dead letter")
    return deadletters.listing(probe.QUEUE)[0]


def send(broker: Broker, body: Any, **more: Any) -> None:
    """A message as anybody could send it, straight to the private key of the queue."""
    with Connection(broker.url) as connection, connection.channel() as channel:
        topology.declare(channel)
        key = topology.private_key(probe.QUEUE)
        Producer(channel).publish(body, exchange=topology.EVENTS.name, routing_key=key, **more)


def test_consumer_handle_duplicates_in_parallel(processes: Processes, append: Append, broker: Broker) -> None:
    """Twenty copies to four children at once: one effect."""
    event = append(sleep=0.2)
    processes.worker(concurrency=4)
    send_copies(broker, event, 20)
    await_effects(1)
    eventually(lambda: broker.count(probe.QUEUE) == 0, within=60, what="the end of the copies")
    assert effects() == [event]
    assert attempts(event) == 1


def send_copies(broker: Broker, event: UUID, count: int) -> None:
    outbox = Outbox("default")
    # A transaction of another database of the server may hold the log's end back for a moment.
    row = eventually(lambda: outbox.read(outbox.position(), 1), within=30, what="the log's end")[0]
    assert row["id"] == event
    with Publisher() as publisher:
        publisher.publish(list(messages.messages(row)) * count)


def test_consumer_handle_transient_four_times(processes: Processes, append: Append, broker: Broker) -> None:
    """1 + 3 tries, then the dead letters with the reason; the neighbour is not affected."""
    processes.relay()
    processes.worker()
    bad, good = append(**{"raise": "transient"}), append()
    assert await_effects(1) == [good]
    letter = await_letter(broker)
    assert attempts(bad) == 4
    assert (letter.event_id, letter.task, letter.queue) == (str(bad), probe.NAME, probe.QUEUE)
    assert "not now" in letter.error
    assert isinstance(letter.died_at, datetime)


def test_consumer_handle_poison_once(processes: Processes, append: Append, broker: Broker) -> None:
    """An error that is not named transient is a bug: trying again would only repeat it."""
    processes.relay()
    processes.worker()
    bad = append(**{"raise": "poison"})
    assert "ValueError" in await_letter(broker).error
    assert attempts(bad) == 1


def test_consumer_handle_event_that_kills_its_worker(processes: Processes, append: Append, broker: Broker) -> None:
    """The delivery limit is the only guard against a message that takes the process down."""
    processes.relay()
    processes.worker()
    bad, good = append(kill=True), append()
    letter = await_letter(broker)
    assert letter.event_id == str(bad)
    assert attempts(bad) == topology.DELIVERY_LIMIT + 1
    assert await_effects(1) == [good]


HEADERS = {"task": probe.NAME, "id": "x"}
MALFORMED: list[tuple[Any, dict[str, Any], str]] = [
    (b"{no json", {"content_type": "application/json", "content_encoding": "utf-8"}, "cannot be decoded"),
    (b"{no JSON", {"content_type": "application/json", "headers": HEADERS}, "cannot be decoded"),
    (b"\x80\x04N.", {"content_type": "application/x-python-serialize", "headers": HEADERS}, "untrusted content"),
    ([[], {"event": {}}, {}], {"headers": HEADERS}, "The event lacks actor"),
    ([[], {"event": 1}, {}], {"headers": HEADERS}, "AttributeError"),
    ([[], {"event": {}}, {}], {"headers": {**HEADERS, "task": "notifications.of_the_future"}}, "knows no task"),
    ({"hello": "world"}, {}, "names no task"),
]


def test_consumer_handle_malformed_messages(processes: Processes, append: Append, broker: Broker) -> None:
    """Whatever arrives is kept for an operator with its reason, and the next event is handled."""
    processes.relay()
    processes.worker()
    for body, options, _ in MALFORMED:
        send(broker, body, **options)
    eventually(lambda: broker.count(DLQ) == len(MALFORMED), within=90, what="the dead letters")
    reasons = [letter.error for letter in deadletters.listing(probe.QUEUE)]
    assert [error for *_, error in MALFORMED if not any(error in reason for reason in reasons)] == []
    good = append()
    assert await_effects(1) == [good]


def test_consumer_handle_worker_killed_in_the_middle(processes: Processes, append: Append) -> None:
    """The whole worker dies with an event in hand: another one redoes it, and the effect happens once."""
    processes.relay()
    doomed = processes.worker(concurrency=1)
    event = append(sleep=1)
    eventually(lambda: attempts(event), within=60, what="the first try")
    doomed.kill()
    processes.worker()
    assert await_effects(1) == [event]


def test_consumer_handle_is_logged_with_the_request_id(processes: Processes, append: Append) -> None:
    """From the log lines one can follow a call through the relay into its consumers."""
    relay, worker = processes.relay(), processes.worker()
    with context.bind(request_id="call-1"):
        event = append()
    await_effects(1)
    eventually(lambda: processes.said(worker, "event consumed"), within=10, what="the log line")
    for process, said in ((relay, "event published"), (worker, "event consumed")):
        lines = [json.loads(line) for line in processes.output(process).splitlines() if said in line]
        assert [(line["request_id"], line["event_id"]) for line in lines] == [("call-1", str(event))]
