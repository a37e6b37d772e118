"""An export from its event to its file over a real RabbitMQ, through the death of its worker."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.db import connection
from pytest_django.fixtures import Settings

from exports.models import Export, Status
from tests.cast import Caller
from tests.events.broker import Broker, eventually
from tests.exports.test_exports import ask, content, rows

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.stack]

Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture(scope="module")
def rabbitmq() -> Iterator[Broker]:
    broker = Broker()
    yield broker
    broker.stop()


@pytest.fixture
def start(rabbitmq: Broker, export_dir: Path, tmp_path: Path, settings: Settings) -> Iterator[Start]:
    """Starts the relay or a worker as the process that it is."""
    settings.BROKER_URL = rabbitmq.url
    dsn = "postgresql://{USER}:{PASSWORD}@{HOST}:{PORT}/{NAME}".format(**connection.settings_dict)
    env = {
        **os.environ,
        "DATABASE_URL": dsn,
        "DATABASE_DIRECT_URL": dsn,
        "DATABASE_REPLICA_URLS": "",
        "BROKER_URL": rabbitmq.url,
        "EXPORT_DIR": str(export_dir),
        "SLOW_TOLD": str(tmp_path / "told"),
        "SLOW_GO": str(tmp_path / "go"),
    }
    started: list[subprocess.Popen[bytes]] = []

    def start(*arguments: str) -> subprocess.Popen[bytes]:
        output = subprocess.DEVNULL
        command = [sys.executable, *arguments]
        started.append(subprocess.Popen(command, env=env, stdout=output, stderr=output, start_new_session=True))
        return started[-1]

    yield start
    for process in started:
        kill(process)


def worker(start: Start, number: int) -> subprocess.Popen[bytes]:
    options = ["-Q", "task.export", "-c", "1", "-n", f"export{number}@%h", "--without-mingle", "--without-gossip"]
    return start("-m", "celery", "-A", "tests.exports.slow_worker", "worker", *options)


def kill(process: subprocess.Popen[bytes]) -> None:
    """At once, with all children."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_a_worker_that_dies_in_the_middle_is_followed_by_the_next(
    alice: Caller, start: Start, rabbitmq: Broker, export_dir: Path, tmp_path: Path
) -> None:
    """Nothing but the redelivered message brings it back: there is no beat here that would look for it."""
    for _ in range(3):
        alice.make()
    path = ask(alice)
    start("manage.py", "relay")
    first = worker(start, 1)
    eventually((tmp_path / "told").exists, within=90, what="a worker in the middle of the file")
    kill(first)
    assert alice.get(path).json()["status"] == "running"
    (tmp_path / "go").touch()
    worker(start, 2)
    eventually(lambda: Export.objects.get().status == Status.COMPLETED, within=90, what="the end of the export")
    export = Export.objects.get()
    assert export.attempt == 2
    assert len(rows(content(alice.get(f"{path}/file")))) == 3
    assert len(list(export_dir.iterdir())) == 1
    eventually(lambda: rabbitmq.count("task.export") == 0, within=30, what="the end of the message")
    assert rabbitmq.count("task.export.dlq") == 0
