import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, transaction
from pytest_django.fixtures import Settings

from config.data import ids
from config.events import log
from config.events.log import NewEvent
from tests.events import probe
from tests.events.broker import Broker
from tests.events.effects import query

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="session")
def _broker() -> Iterator[Broker]:
    broker = Broker()
    yield broker
    broker.stop()


@pytest.fixture
def broker(_broker: Broker, settings: Settings) -> Broker:
    """Running and empty. Queues are deleted rather than purged: a test may have left messages unacknowledged."""
    _broker.delete_queues()
    settings.BROKER_URL = _broker.url
    return _broker


@pytest.fixture
def log_table(transactional_db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(probe.TABLE)


class Processes:
    """Relays, workers and beats as the processes they are. What they print lies in files, for tests to read."""

    def __init__(self, folder: Path, broker_url: str) -> None:
        self._folder = folder
        self._all: list[subprocess.Popen[bytes]] = []
        database = connection.settings_dict
        dsn = "postgresql://{USER}:{PASSWORD}@{HOST}:{PORT}/{NAME}".format(**database)
        self._env = {**os.environ, "DATABASE_URL": dsn, "DATABASE_DIRECT_URL": dsn, "BROKER_URL": broker_url}

    def relay(self, **env: str) -> subprocess.Popen[bytes]:
        return self._start([sys.executable, "-m", "tests.events.probe", "relay"], env)

    def worker(self, concurrency: int = 2) -> subprocess.Popen[bytes]:
        options = ["-Q", probe.QUEUE, "-c", str(concurrency), "-n", f"w{len(self._all)}@%h", "--without-mingle"]
        return self._celery("worker", *options, "--without-gossip")

    def beat(self) -> subprocess.Popen[bytes]:
        return self._celery("beat")

    def said(self, process: subprocess.Popen[bytes], text: str) -> bool:
        return text in self.output(process)

    def output(self, process: subprocess.Popen[bytes]) -> str:
        return self._file(self._all.index(process)).read_text(errors="replace")

    def _celery(self, *arguments: str) -> subprocess.Popen[bytes]:
        return self._start([sys.executable, "-m", "celery", "-A", "tests.events.probe", *arguments], {})

    def _start(self, command: list[str], env: dict[str, str]) -> subprocess.Popen[bytes]:
        with self._file(len(self._all)).open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**self._env, **env},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._all.append(process)
        return process

    def _file(self, number: int) -> Path:
        return self._folder / f"process-{number}.log"

    def stop(self) -> None:
        """At once, with all children: what a test wanted to see, it has seen."""
        for process in self._all:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture
def processes(log_table: None, broker: Broker, tmp_path: Path) -> Iterator[Processes]:
    processes = Processes(tmp_path, broker.url)
    yield processes
    processes.stop()


Append = Callable[..., UUID]


@pytest.fixture
def append(log_table: None) -> Append:
    """Appends one event of the probe's type, committed, and gives its id."""

    def append(type_: str = probe.TYPE, *, subject: UUID | None = None, version: int = 1, **data: Any) -> UUID:
        event = NewEvent(type_, subject or ids.uuid7(), "alice", "alice", version=version, data=data or None)
        with transaction.atomic():
            log.append([event])
        return UUID(str(query("SELECT id FROM event ORDER BY xid DESC, id DESC LIMIT 1")[0][0]))

    return append
