"""Several workers and one export: real processes, killed, frozen and slow ones, and a real database."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import pytest
from django.db import connection, connections

from config.data import leases
from exports.models import Export, Status
from exports.services import job
from tests.cast import Caller, assert_problem
from tests.events.broker import eventually
from tests.exports.test_exports import ask, content, rows
from tests.exports.test_exports_job import identifier

pytestmark = pytest.mark.django_db(transaction=True)

# Tells each row, and waits before it writes the second one until a file is there.
_RUN = """
import pathlib, sys, time, uuid
import tests.environment, django
django.setup()
from django.conf import settings
from exports.services import formats, job
export, settings.EXPORT_DIR, go = sys.argv[1:]
job.CHUNK = 1
write = formats.csv_rows
told = []
def slow(chunk):
    told.append(chunk)
    print("row", len(told), flush=True)
    while len(told) == 2 and not pathlib.Path(go).exists():
        time.sleep(0.02)
    return write(chunk)
formats.csv_rows = slow
job.run(uuid.UUID(export))
"""
Worker = Callable[[UUID], subprocess.Popen[str]]


@pytest.fixture
def go(tmp_path: Path) -> Path:
    return tmp_path / "go"


@pytest.fixture
def worker(export_dir: Path, go: Path) -> Iterator[Worker]:
    """A process that runs one export, as a worker's child does; it is in the middle of its file when this returns."""
    started: list[subprocess.Popen[str]] = []

    def start(export: UUID) -> subprocess.Popen[str]:
        dsn = "postgresql://{USER}:{PASSWORD}@{HOST}:{PORT}/{NAME}".format(**connection.settings_dict)
        command = [sys.executable, "-c", _RUN, str(export), str(export_dir), str(go)]
        env = {**os.environ, "DATABASE_URL": dsn, "DATABASE_REPLICA_URLS": "", "PYTHONPATH": "."}
        process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        assert "row 2\n" in iter(process.stdout.readline, "")
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def run_here(export: UUID) -> str:
    try:
        job.run(export)
    except leases.Held:
        return "held"
    finally:
        connections.close_all()
    return "done"


def asked_for_three_rows(alice: Caller) -> str:
    for _ in range(3):
        alice.make()
    return ask(alice)


def test_eight_workers_write_one_file(alice: Caller, export_dir: Path) -> None:
    path = asked_for_three_rows(alice)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(run_here, [identifier(path)] * 8))
    assert Export.objects.get().attempt == 1
    assert len(list(export_dir.iterdir())) == 1


def test_a_killed_worker_is_followed_and_no_half_file_is_ever_seen(
    alice: Caller, export_dir: Path, worker: Worker
) -> None:
    path = asked_for_three_rows(alice)
    process = worker(identifier(path))
    process.kill()
    process.wait()
    assert [file.suffix for file in export_dir.iterdir()] == [".partial"]
    assert_problem(alice.get(f"{path}/file"), 409)
    assert run_here(identifier(path)) == "held"
    eventually(lambda: run_here(identifier(path)) == "done", within=30, what="the end of the lease")
    assert len(rows(content(alice.get(f"{path}/file")))) == 3
    assert [file.name for file in export_dir.iterdir()] == [f"{identifier(path)}.2"]


def test_a_slow_worker_is_no_dead_one(alice: Caller, worker: Worker, go: Path) -> None:
    """One chunk takes longer than a lease lasts, which is renewed meanwhile."""
    path = asked_for_three_rows(alice)
    process = worker(identifier(path))
    first = Export.objects.get().lease_until
    assert first is not None

    def renewed() -> bool:
        until = Export.objects.get().lease_until
        return until is not None and until > first + leases.LEASE

    eventually(renewed, within=40, what="a lease renewed past its first end")
    assert run_here(identifier(path)) == "held"
    go.touch()
    assert process.wait(60) == 0
    assert (Export.objects.get().status, Export.objects.get().attempt) == (Status.COMPLETED, 1)


def test_a_worker_that_wakes_up_too_late_stops(alice: Caller, export_dir: Path, worker: Worker, go: Path) -> None:
    path = asked_for_three_rows(alice)
    process = worker(identifier(path))
    process.send_signal(signal.SIGSTOP)
    eventually(lambda: run_here(identifier(path)) == "done", within=30, what="the end of the lease")
    before = alice.get(path).json()
    go.touch()
    process.send_signal(signal.SIGCONT)
    assert process.wait(60) == 0
    assert alice.get(path).json() == before
    assert [file.name for file in export_dir.iterdir()] == [f"{identifier(path)}.2"]


def test_sixteen_requests_at_once_are_five_exports(alice: Caller) -> None:
    def request(_: int) -> int:
        try:
            return int(alice.post("/v1/exports", {"format": "csv"}).status_code)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(16) as pool:
        statuses = sorted(pool.map(request, range(16)))
    assert statuses == [202] * 5 + [409] * 11
    assert Export.objects.count() == 5
