"""`manage.py keycloak_watch` as a process: one at work, quick to end access, quick to stop, hard to kill."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import connections
from django.test import Client

from tests.accounts.issuers import ROOT, Live

pytestmark = pytest.mark.django_db(transaction=True)

Start = Callable[[], "subprocess.Popen[bytes]"]


def environment(live: Live) -> dict[str, str]:
    database = connections["default"].settings_dict
    url = f"postgresql://{database['USER']}:{database['PASSWORD']}@{database['HOST']}:{database['PORT']}"
    return {
        **os.environ,
        "DATABASE_URL": f"{url}/{database['NAME']}",
        "DATABASE_DIRECT_URL": f"{url}/{database['NAME']}",
        "OIDC_ISSUER": live.url,
        "OIDC_ADMIN_CLIENT_SECRET": live.directory_secret,
        "SECRET_KEY": django_settings.SECRET_KEY,
        "METRICS_BIND": "",
    }


@pytest.fixture
def start(live: Live) -> Iterator[Start]:
    started: list[subprocess.Popen[bytes]] = []

    def run() -> "subprocess.Popen[bytes]":
        command = [sys.executable, str(ROOT / "manage.py"), "keycloak_watch"]
        process = subprocess.Popen(command, env=environment(live), stdout=subprocess.DEVNULL)
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.wait()


def leaders() -> int:
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database"
            " WHERE locktype = 'advisory' AND granted AND datname = current_database()"
        )
        return int(cursor.fetchone()[0])


def until(true: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.1)
    return False


def test_access_ends_within_the_promised_time(live: Live, start: Start, client: Client) -> None:
    with live.somebody("user") as somebody:
        token = somebody.token()

        def refused() -> bool:
            answer = client.get("/v1/me", headers={"authorization": f"Bearer {token}"})
            return bool(answer.status_code == 401)

        start()
        assert until(lambda: leaders() == 1, 30)
        assert not refused()
        somebody.enable(False)
        assert until(refused, 5)


def test_one_works_the_other_waits_and_takes_over(live: Live, start: Start) -> None:
    first = start()
    assert until(lambda: leaders() == 1, 30)
    second = start()
    time.sleep(3)
    assert leaders() == 1
    first.kill()
    first.wait()
    assert until(lambda: leaders() == 1, 10)
    assert second.poll() is None


def test_it_stops_at_once_when_told(live: Live, start: Start) -> None:
    process = start()
    assert until(lambda: leaders() == 1, 30)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0


def test_it_outlives_a_dead_keycloak_and_a_cut_connection(live: Live, start: Start, client: Client) -> None:
    with live.somebody("user") as somebody:
        token = somebody.token()
        process = start()
        assert until(lambda: leaders() == 1, 30)
        with connections["default"].cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        somebody.enable(False)

        def refused() -> bool:
            answer: Any = client.get("/v1/me", headers={"authorization": f"Bearer {token}"})
            return bool(answer.status_code == 401)

        assert until(refused, 15)
        assert process.poll() is None


def test_it_waits_for_a_keycloak_that_is_not_there(live: Live, start: Start) -> None:
    elsewhere = replace(live, url="http://127.0.0.1:1/realms/taskmill")
    command = [sys.executable, str(ROOT / "manage.py"), "keycloak_watch"]
    process = subprocess.Popen(command, env=environment(elsewhere), stdout=subprocess.DEVNULL)
    try:
        assert until(lambda: leaders() == 1, 30)
        time.sleep(3)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
