"""The worked example under load: no call fails while a column gets another name, by real releases and migrations"""

import http.client
import json
import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection, connections

from tests.config.servers import eventually
from tests.observability.server import ROOT, Server

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process, pytest.mark.timeout(300)]
OLD_ROWS = 2_000  # several batches


def environment() -> dict[str, str]:
    url = f"{os.environ['DATABASE_URL'].rpartition('/')[0]}/{connection.settings_dict['NAME']}"
    return {"DJANGO_SETTINGS_MODULE": "tests.rollout.settings", "DATABASE_URL": url, "DATABASE_DIRECT_URL": url}


class Migrating:
    """`manage.py migrate` up to a migration of the example, in a process of its own."""

    def __init__(self, folder: Path, target: str) -> None:
        command = [sys.executable, "manage.py", "migrate", "rollout", target, "--skip-checks"]
        self._log = folder / f"migrate-{target}.log"
        with self._log.open("wb") as output:
            env = {**os.environ, **environment()}
            self.process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=output, stderr=subprocess.STDOUT)

    def said(self) -> str:
        return self._log.read_text()

    def end(self) -> None:
        assert self.process.wait(120) == 0, self.said()


class Load:
    """Two clients that write, change and read notes, each call on any of the instances that are in rotation."""

    def __init__(self, folder: Path) -> None:
        with ThreadPoolExecutor(4) as starting:  # side by side; none is called before it comes into rotation
            releases = starting.map(lambda release: _instance(folder, release), (1, 2, 3, 4))
        self._waiting = list(releases)
        self._running = list(self._waiting)
        self._instances: list[Server] = []
        self.answered, self.failures, self.notes = 0, [], {}  # type: ignore[var-annotated]
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(2)]

    def begin(self) -> None:
        self._instances.append(self._waiting.pop(0))
        for thread in self._threads:
            thread.start()
        self.goes_on()

    def roll_out(self) -> None:
        """The next release comes into rotation, works beside the one before it, and then without it."""
        (old,) = self._instances
        self._instances = [old, self._waiting.pop(0)]
        self.goes_on()
        self._instances = self._instances[1:]
        assert old.stop() == 0
        self._running.remove(old)
        self.goes_on()

    def goes_on(self) -> None:
        before = self.answered
        eventually(lambda: self.failures or self.answered > before + 12, "calls go on", within=60)
        assert self.failures == []

    def end(self) -> None:
        self._over.set()
        for thread in self._threads:
            if thread.ident:
                thread.join()
        for server in self._running:
            server.stop()

    def _run(self, number: int) -> None:
        count = 0
        while not self._over.wait(0.05):
            count += 1
            try:
                self._once(f"{number} {count}")
            except Exception as error:  # noqa: BLE001 (whatever it is, the test is to tell it)
                self.failures.append(repr(error))

    def _once(self, text: str) -> None:
        made = self._call("POST", "/notes", {"text": text})
        where, changed = f"/notes/{made['id']}", f"{text} changed"
        assert self._call("GET", where)["text"] == text
        assert self._call("PATCH", where, {"text": changed})["text"] == changed
        assert self._call("GET", where)["text"] == changed
        self.notes[made["id"]] = changed

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        client = http.client.HTTPConnection("127.0.0.1", random.choice(self._instances).port, timeout=30)
        client.request(method, path, json.dumps(body) if body else None, {"Content-Type": "application/json"})
        answer = client.getresponse()
        content = answer.read()
        client.close()
        assert answer.status in {200, 201}, (answer.status, content)
        self.answered += 1
        return json.loads(content)


def _instance(folder: Path, release: int) -> Server:
    own = folder / f"release-{release}"
    own.mkdir()
    return Server(own, RELEASE=str(release), API_WORKERS="1", API_THREADS="2", **environment())


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Load]:
    load = Load(tmp_path)
    yield load
    load.end()
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS rollout_note")
        cursor.execute("DELETE FROM django_migrations WHERE app = 'rollout'")
        cursor.execute("DELETE FROM django_content_type WHERE app_label = 'rollout'")


def ask(sql: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


def test_a_column_gets_another_name_and_no_call_fails(load: Load, tmp_path: Path) -> None:
    def migrate(target: str) -> None:
        Migrating(tmp_path, target).end()
        load.goes_on()

    Migrating(tmp_path, "0001").end()
    ask(f"INSERT INTO rollout_note (text) SELECT n FROM generate_series(1, {OLD_ROWS}) n RETURNING id")
    load.begin()
    _add_a_column_beside_a_long_transaction(load, tmp_path)
    load.roll_out()
    migrate("0006")
    load.roll_out()
    load.roll_out()
    migrate("0007")
    load.end()
    assert load.failures == []
    found = dict(ask("SELECT id, body FROM rollout_note"))
    assert len(found) >= OLD_ROWS + len(load.notes)
    assert {identifier: found[identifier] for identifier in load.notes} == load.notes
    assert [found[n] for n in range(1, OLD_ROWS + 1)] == [str(n) for n in range(1, OLD_ROWS + 1)]


def _add_a_column_beside_a_long_transaction(load: Load, folder: Path) -> None:
    """Who waits for an ALTER's turn would wait for the whole transaction: the ALTER has to give way instead."""
    with psycopg.connect(**connections["default"].get_connection_params() | {"autocommit": False}) as other:
        other.execute("SELECT count(*) FROM rollout_note")
        migrating = Migrating(folder, "0002")
        eventually(lambda: "Next try" in migrating.said(), "the migration gives way", within=60)
        load.goes_on()
        assert migrating.process.poll() is None, migrating.said()
        other.rollback()
    migrating.end()
