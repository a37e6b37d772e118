"""Two instances of the API that share a Redis of their own, and people who write at one and read at the other.

The replica is two seconds behind all the time: whoever is wrongly sent there after a write reads an old state.
"""

import itertools
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import httpx

from config.launch.stack.postgres import API, MIGRATOR, READER
from tests.accounts.keycloak import In, Mint
from tests.cast import PEOPLE
from tests.config.postgres_pair import PostgresPair
from tests.config.servers import OwnRedis, eventually
from tests.observability.samples import scrape, total
from tests.observability.server import ROOT, Server

WRITERS = ("alice", "bob", "service", "ada")
NO_LIMITS = {f"RATE_LIMIT_{name}": "1000000/m" for name in ("USER", "IP", "TASK")}
PATIENT = 120  # seconds for what a busy machine does in a few


class Called(NamedTuple):
    phase: str
    method: str
    seconds: float


class Instances:
    """Two of one process each."""

    def __init__(self, folder: Path, pair: PostgresPair, own: OwnRedis, issuer: str) -> None:
        env = {
            "DATABASE_URL": _url(pair, "primary", API),
            "DATABASE_DIRECT_URL": _url(pair, "primary", API),
            "DATABASE_REPLICA_URLS": _url(pair, "replica", READER),
            "CACHE_URL": own.url,
            "CACHE_TIMEOUT": "2s",  # a busy machine is no broken Redis
            "OIDC_ISSUER": issuer,
            "API_WORKERS": "1",
            "ALLOWED_HOSTS": "127.0.0.1",
            **NO_LIMITS,
        }
        folders = [folder / "api-1", folder / "api-2"]
        for each in folders:
            each.mkdir()
        with ThreadPoolExecutor(2) as threads:
            self._servers = list(threads.map(lambda each: Server(each, **env), folders))
        self.urls = [f"http://127.0.0.1:{server.port}" for server in self._servers]

    def stop(self) -> None:
        with ThreadPoolExecutor(2) as threads:
            list(threads.map(Server.stop, self._servers))

    def _of_each(self, metric: str) -> list[float]:
        return [total(scrape(server.metrics_port), metric) or 0.0 for server in self._servers]

    def go_without_redis(self) -> bool:
        return self._of_each("taskmill_redis_breaker_open") == [1.0, 1.0]

    def believe_in_redis(self) -> bool:
        return self._of_each("taskmill_redis_breaker_open") == [0.0, 0.0]

    def failures(self) -> float:
        """Calls to Redis that failed or timed out; the probes are not among them."""
        return sum(self._of_each("taskmill_redis_failures_total"))


def _url(pair: PostgresPair, role: str, user: str) -> str:
    values = pair.settings(role, user)
    return "postgresql://{USER}:{PASSWORD}@{HOST}:{PORT}/{NAME}".format(**values)


def migrate(pair: PostgresPair) -> None:
    url = _url(pair, "primary", MIGRATOR)
    env = {**os.environ, "DATABASE_URL": url, "DATABASE_DIRECT_URL": url}
    subprocess.run([sys.executable, "manage.py", "migrate", "--verbosity", "0"], env=env, cwd=ROOT, check=True)


class Writer:
    """One person with a task and a list, whose every answer is known beforehand."""

    def __init__(self, name: str, mint: Mint, urls: list[str]) -> None:
        token = PEOPLE[name].token(mint, exp=In(3600))
        headers = {"Authorization": f"Bearer {token}"}
        self._instances = [httpx.Client(base_url=url, headers=headers, timeout=60) for url in urls]
        self._numbers, self.rounds = itertools.count(), 0
        self._tasks: list[dict[str, Any]] = []  # newest first
        self.phase, self.called = "", list[Called]()

    def close(self) -> None:
        for instance in self._instances:
            instance.close()

    def round(self) -> None:
        """A write at one instance, then reads at both. Raises AssertionError at the first answer that is not right."""
        number = next(self._numbers)
        here, there = self._instances if number % 2 else reversed(self._instances)
        self._write(here, number)
        for reader in (there, here):
            assert self._call(reader, "GET", f"/v1/tasks/{self._tasks[0]['id']}") == self._tasks[0]
            assert self._list(reader, 5) == self._tasks[:5]
        assert self._list(there, 3, priority="normal") == self._tasks[:3]
        self.rounds += 1

    def _write(self, instance: httpx.Client, number: int) -> None:
        body = {"title": f"round {number}"}
        if number % 3 == 0:
            self._tasks.insert(0, self._call(instance, "POST", "/v1/tasks", body))
        elif number % 7 == 0 and len(self._tasks) > 5:
            self._call(instance, "DELETE", f"/v1/tasks/{self._tasks.pop(0)['id']}")
        else:
            changed = self._call(instance, "PATCH", f"/v1/tasks/{self._tasks[0]['id']}", body)
            assert changed["version"] == self._tasks[0]["version"] + 1
            self._tasks[0] = changed

    def _list(self, instance: httpx.Client, size: int, **query: str) -> list[Any]:
        """The newest ones, of which older drills may have left some more behind."""
        path = f"/v1/tasks?{urlencode({**query, 'page_size': size})}"
        return list(self._call(instance, "GET", path)["results"])[: len(self._tasks)]

    def _call(self, instance: httpx.Client, method: str, path: str, body: Any = None) -> Any:
        phase, start = self.phase, time.perf_counter()
        answer = instance.request(method, path, json=body)
        self.called.append(Called(phase, method, time.perf_counter() - start))
        assert answer.is_success, (phase, method, path, answer.status_code, answer.text)
        return answer.json() if answer.content else None


class Crowd:
    """All writers, one thread each, round after round."""

    def __init__(self, writers: list[Writer]) -> None:
        self._writers, self._over = writers, threading.Event()
        self._failures: list[BaseException] = []

    @contextmanager
    def calling(self) -> Iterator[None]:
        threads = [threading.Thread(target=self._go_on, args=(writer,)) for writer in self._writers]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in threads:
                thread.join()
        self._check()

    def phase(self, name: str) -> None:
        for writer in self._writers:
            writer.phase = name

    def rounds(self, count: int) -> None:
        """Returns when each writer has made that many more; what is under way does not count."""
        ends = [writer.rounds + 1 + count for writer in self._writers]

        def made() -> bool:
            self._check()
            return all(writer.rounds >= end for writer, end in zip(self._writers, ends, strict=True))

        eventually(made, "rounds go on", within=PATIENT)

    def until(self, condition: Callable[[], bool], what: str) -> None:
        def happened() -> bool:
            self._check()
            return condition()

        eventually(happened, what, within=PATIENT)

    def called(self) -> list[Called]:
        return [called for writer in self._writers for called in writer.called]

    def _check(self) -> None:
        if self._failures:
            raise self._failures[0]

    def _go_on(self, writer: Writer) -> None:
        try:
            while not self._over.is_set():
                writer.round()
        except BaseException as error:  # noqa: BLE001 (whatever it is, the drill tells it)
            self._failures.append(error)
