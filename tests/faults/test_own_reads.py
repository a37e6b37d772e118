"""Thousands of writes, each followed at once by a read of its writer through the other instance of the API.

`FAULT_PAIRS=10000` makes that many (`make faults`).
"""

import itertools
import json
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

import httpx
import psycopg
import pytest

from config.launch.stack import postgres
from tests.faults.people import Person, people
from tests.faults.waiting import redis_is_believed, replica_catches_up
from tests.journeys.system import System, eventually
from tests.observability.samples import parse, total

pytestmark = [pytest.mark.stack, pytest.mark.timeout(1800)]

PAIRS = int(os.environ.get("FAULT_PAIRS", "400")) // 2
PEOPLE = 8
TOKEN_LASTS = 200.0  # seconds; Keycloak's lives for five minutes
Read = Callable[[httpx.Client, dict[str, Any], str], None]


class Writer:
    """One person, who writes through one instance and reads through another."""

    def __init__(self, system: System, person: Person) -> None:
        self._system, self._person = system, person
        parts = system.local.parts()
        self._instances = [httpx.Client(base_url=parts[name]["url"], timeout=30) for name in ("api-1", "api-2")]
        self._turn, self._renewed = itertools.count(), float("-inf")
        self._label = f"{person[0]}-{secrets.token_hex(4)}"

    def close(self) -> None:
        for instance in self._instances:
            instance.close()

    def pairs(self, left: Iterator[int], reads: int, kinds: Sequence[Read], between: Callable[[], object]) -> None:
        """A write and `reads` for each number. Raises AssertionError at the first read that is not right."""
        task: dict[str, Any] = {}
        for number in left:
            writer, reader = self._instances if number % 2 else reversed(self._instances)
            self._renew()
            if number % 3 or not task:
                task = _ok(writer.post("/v1/tasks", json={"title": f"pair {number}", "labels": [self._label]}), 201)
            else:
                task = _ok(writer.patch(f"/v1/tasks/{task['id']}", json={"title": f"pair {number}"}), 200)
            between()
            for _ in range(reads):
                kinds[next(self._turn) % len(kinds)](reader, task, self._label)

    def _renew(self) -> None:
        if time.monotonic() - self._renewed > TOKEN_LASTS:
            token = self._system.local.issuer.by_password(*self._person)["access_token"]
            for instance in self._instances:
                instance.headers["Authorization"] = f"Bearer {token}"
            self._renewed = time.monotonic()


def _ok(answer: httpx.Response, status: int = 200) -> Any:
    assert answer.status_code == status, (answer.request.method, answer.request.url, answer.status_code, answer.text)
    return answer.json()


def _by_id(reader: httpx.Client, task: dict[str, Any], label: str) -> None:
    assert _ok(reader.get(f"/v1/tasks/{task['id']}")) == task


def _in_the_list(reader: httpx.Client, task: dict[str, Any], label: str) -> None:
    assert task in _ok(reader.get("/v1/tasks?page_size=10"))["results"]


def _by_label(reader: httpx.Client, task: dict[str, Any], label: str) -> None:
    assert task in _ok(reader.get("/v1/tasks", params={"label": label, "page_size": 5}))["results"]


def _in_the_history(reader: httpx.Client, task: dict[str, Any], label: str) -> None:
    history = _ok(reader.get(f"/v1/tasks/{task['id']}/history", params={"page_size": 100}))["results"]
    assert history[-1]["version"] == task["version"]


KEPT: list[Read] = [_by_id, _in_the_list]  # by Redis, unless it was told of a write since
NEVER_KEPT: list[Read] = [_by_label, _in_the_history]
ALL = [*KEPT, *NEVER_KEPT]


def make_pairs(
    system: System,
    count: int,
    reads: int = 1,
    kinds: Sequence[Read] = ALL,
    between: Callable[[], object] = lambda: None,
) -> None:
    lock, numbers = threading.Lock(), iter(range(count))

    def left() -> Iterator[int]:
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            yield number

    with people(system, PEOPLE) as found:
        writers = [Writer(system, person) for person in found]
        try:
            with ThreadPoolExecutor(PEOPLE) as threads:
                list(threads.map(lambda writer: writer.pairs(left(), reads, kinds, between), writers))
        finally:
            for writer in writers:
                writer.close()


def on_the_replica(system: System, sql: str) -> Any:
    """As its superuser."""
    password = json.loads((system.local.folder / "secrets.json").read_text(encoding="utf-8"))["POSTGRES_PASSWORD"]
    port = system.local.parts()["postgres-replica"]["port"]
    login = f"postgresql://{postgres.USER}:{password}@127.0.0.1:{port}/taskmill"
    with psycopg.connect(login, autocommit=True) as connection:
        done = connection.execute(sql)
        row = done.fetchone() if done.description else None
        return row and row[0]


@contextmanager
def paused(system: System) -> Iterator[None]:
    on_the_replica(system, "SELECT pg_wal_replay_pause()")
    eventually(
        lambda: on_the_replica(system, "SELECT pg_get_wal_replay_pause_state()") == "paused", 30, "replay is paused"
    )
    try:
        yield
    finally:
        on_the_replica(system, "SELECT pg_wal_replay_resume()")


@contextmanager
def two_seconds_behind(system: System) -> Iterator[None]:
    on_the_replica(system, "ALTER SYSTEM SET recovery_min_apply_delay = '2s'")
    on_the_replica(system, "SELECT pg_reload_conf()")
    delay = "SELECT setting FROM pg_settings WHERE name = 'recovery_min_apply_delay'"
    eventually(lambda: on_the_replica(system, delay) == "2000", 30, "the replica lags")
    try:
        yield
    finally:
        on_the_replica(system, "ALTER SYSTEM RESET recovery_min_apply_delay")
        on_the_replica(system, "SELECT pg_reload_conf()")


@pytest.mark.parametrize("lagging", [paused, two_seconds_behind])
def test_whoever_has_written_reads_it_at_once(real_system: System, lagging: Callable[[System], Any]) -> None:
    with lagging(real_system):
        make_pairs(real_system, PAIRS)


def reads_by_database(system: System) -> tuple[float, float]:
    """(of the replica, of the primary), since the instances have started."""
    parts = system.local.parts()
    samples = [parse(httpx.get(parts[name]["metrics"], timeout=30).text) for name in ("api-1", "api-2")]

    def of(database: str) -> float:
        return sum(total(each, "taskmill_reads_total", database=database) or 0.0 for each in samples)

    return of("replica-1"), of("default")


def share_of_the_replica(system: System, act: Callable[[], None]) -> float:
    """Of the reads that reach a database while `act` runs."""
    redis_is_believed(system)
    before = reads_by_database(system)
    act()
    replica, primary = (now - then for now, then in zip(reads_by_database(system), before, strict=True))
    print(f"{replica:.0f} reads of the replica, {primary:.0f} of the primary")  # noqa: T201 (for `make faults`)
    assert replica + primary >= PAIRS // 3, "they have reached a database"
    return replica / (replica + primary)


def test_a_healthy_replica_serves_nearly_all_reads(real_system: System) -> None:
    """Whatever else the machine does: what they have written is replayed before they read."""

    def read() -> None:
        behind = partial(replica_catches_up, real_system)
        make_pairs(real_system, PEOPLE, reads=PAIRS // PEOPLE, kinds=NEVER_KEPT, between=behind)

    assert share_of_the_replica(real_system, read) >= 0.95


def test_a_healthy_replica_serves_most_reads_right_after_a_write(real_system: System) -> None:
    """On an idle machine all but one in a hundred; on a busy one it lags more."""
    share = share_of_the_replica(real_system, lambda: make_pairs(real_system, PAIRS // 10, reads=10))
    assert share > 0.5
