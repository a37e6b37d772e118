"""The broker in every kind of trouble: nothing is lost, and the relay goes on by itself."""

import time

import pytest

from tests.events.broker import Broker, eventually
from tests.events.conftest import Append, Processes
from tests.events.effects import await_effects

pytestmark = pytest.mark.stack

WAITS = "events wait for the broker"


def test_relay_broker_killed_and_started(processes: Processes, append: Append, broker: Broker) -> None:
    relay = processes.relay()
    processes.worker()
    before = append()
    await_effects(1)
    broker.kill()
    during = append()
    eventually(lambda: processes.said(relay, WAITS), within=30, what="the relay's notice")
    broker.start()
    after = append()
    assert sorted(await_effects(3)) == [before, during, after]  # two jobs run at a time


def test_relay_broker_frozen_and_thawed(processes: Processes, append: Append, broker: Broker) -> None:
    relay = processes.relay()
    processes.worker()
    before = append()
    await_effects(1)
    broker.freeze()
    try:
        during = append()
        eventually(lambda: processes.said(relay, WAITS), within=30, what="the relay's notice")
    finally:
        broker.thaw()
    after = append()
    assert sorted(await_effects(3)) == [before, during, after]  # two jobs run at a time


def test_relay_broker_with_a_disk_alarm(processes: Processes, append: Append, broker: Broker) -> None:
    """An alarm lets a publisher connect and then never answers it."""
    relay = processes.relay()
    processes.worker()
    before = append()
    await_effects(1)
    broker.alarm(on=True)
    try:
        during = append()
        eventually(lambda: processes.output(relay).count(WAITS) > 1, within=60, what="the relay's second try")
    finally:
        broker.alarm(on=False)
    after = append()
    assert sorted(await_effects(3)) == [before, during, after]  # two jobs run at a time


def test_relay_broker_killed_under_publish(processes: Processes, append: Append, broker: Broker) -> None:
    """Killed in the middle of hundreds: every event has its effect, and each one once."""
    processes.relay()
    processes.worker()
    events = [append() for _ in range(300)]
    broker.kill()
    events += [append() for _ in range(50)]
    broker.start()
    assert sorted(await_effects(len(events), within=120)) == sorted(events)
    time.sleep(1)  # a second effect would come after the last first one
    assert len(await_effects(len(events))) == len(events)


def test_relay_broker_comes_back_empty(processes: Processes, append: Append, broker: Broker) -> None:
    """Without its queues a message has nowhere to go: the broker says so, and the relay declares them again."""
    relay = processes.relay()
    first = append()
    eventually(lambda: processes.said(relay, "event published"), within=60, what="the publication")
    broker.delete_queues()
    second = append()
    eventually(lambda: processes.said(relay, "no queue takes task.events prober"), within=30, what="the complaint")
    processes.worker()
    assert await_effects(1) == [second] != [first]
