"""The running stack is what its state file says, on loopback only."""

import json
import re
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
import redis

from config.launch.client import LocalSystem
from config.launch.processes import is_alive
from tests.conftest import refused_by_redis
from tests.launch.conftest import eventually

PARTS = {
    *("postgres-primary", "postgres-replica", "pgbouncer", "redis", "rabbitmq", "keycloak", "nginx", "mail"),
    *("prometheus", "api-1", "api-2", "relay", "beat", "keycloak-watch"),
    *("worker-notifications", "worker-analytics", "worker-export", "worker-default"),
}


def listening() -> Iterator[tuple[str, int]]:
    """(address in hexadecimal, port) of every listening TCP socket of the machine."""
    for name in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{name}").read_text(encoding="utf-8").splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A":
                address, port = fields[1].split(":")
                yield address, int(port, 16)


def is_loopback(address: str) -> bool:
    """127.0.0.1, ::ffff:127.0.0.1 or ::1 as /proc writes them: words in the machine's byte order."""
    return address[-8:] == "0100007F" or address == "00000000000000000000000001000000"


def test_state_file_names_living_processes(stack: LocalSystem) -> None:
    parts = stack.parts()
    assert set(parts) >= PARTS
    dead = [name for name, part in parts.items() if not is_alive(part["pid"], part["started"])]
    assert dead == []


def test_nothing_listens_beyond_loopback(stack: LocalSystem) -> None:
    """The passwords are for one machine; a coffee house's network must not see the servers at all."""
    ports = {
        value
        for part in stack.parts().values()
        for name, value in part.items()
        if name.endswith("port") and value is not None
    }
    # A part that a drill has just started may serve its metrics a little later.
    eventually(lambda: ports <= {port for _, port in listening()}, "every part listens")
    assert [(port, address) for address, port in listening() if port in ports and not is_loopback(address)] == []


def test_second_start_is_refused_while_it_runs(stack: LocalSystem) -> None:
    before = stack.parts()
    done = subprocess.run(["make", "-s", "stack"], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode != 0
    assert done.stderr.startswith("taskmill: The stack is already running (process ")
    assert stack.parts() == before


def test_start_in_the_background_is_content_with_what_runs(stack: LocalSystem) -> None:
    """Scripts call it without asking first."""
    done = subprocess.run(["make", "-s", "stack-up"], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0
    assert f"The stack is running already: {stack.api_url}" in done.stdout


def test_replica_follows_the_primary(stack: LocalSystem) -> None:
    with psycopg.connect(stack.part("postgres-primary").url, autocommit=True) as primary:
        written = primary.execute("SELECT pg_current_wal_lsn()").fetchone()
        assert written is not None
        states = primary.execute("SELECT state FROM pg_stat_replication").fetchall()
    assert states == [("streaming",)]
    with psycopg.connect(stack.part("pgbouncer").entry["replica_url"], prepare_threshold=None) as replica:
        assert replica.execute("SELECT pg_is_in_recovery()").fetchone() == (True,)


def test_no_process_that_stays_can_change_the_schema(stack: LocalSystem) -> None:
    """Each has the database role of its kind; who owns the tables only migrates."""
    ours = [name for name in PARTS if name.startswith(("api-", "worker-", "relay", "beat", "keycloak-watch"))]
    for name in ours:
        environment = Path(f"/proc/{stack.part(name).pid}/environ").read_text(encoding="utf-8").split("\0")
        urls = [line.partition("=")[2] for line in environment if re.match(r"DATABASE\w*_URLS?=", line)]
        kind = "taskmill" if name.startswith("api-") else "taskmill_worker"
        assert {urlsplit(url).username for url in urls} == {kind, "taskmill_reader"}, name


def test_prometheus_scrapes_every_process(stack: LocalSystem) -> None:
    wanted = {name for name, part in stack.parts().items() if "metrics" in part}
    assert wanted >= {name for name in PARTS if name.startswith(("api", "worker"))} | {"relay", "beat"}

    def all_up() -> bool:
        return {name for name, health in scraped(stack).items() if health == "up"} >= wanted

    eventually(all_up, "every target is up", within=30)


def scraped(stack: LocalSystem) -> dict[str, str]:
    with urllib.request.urlopen(f"{stack.part('prometheus').url}/api/v1/targets", timeout=5) as answer:
        targets: list[dict[str, Any]] = json.load(answer)["data"]["activeTargets"]
    return {target["labels"]["part"]: target["health"] for target in targets}


@pytest.mark.parametrize("name", ["redis", "pgbouncer", "worker-default"])
def test_part_comes_back_after_a_kill(stack: LocalSystem, name: str) -> None:
    part = stack.part(name)
    first = part.pid
    part.kill()
    eventually(lambda: not part.entry["ready"], "the state file says that it is gone")
    part.start()
    assert part.pid != first
    assert part.entry["ready"]


@pytest.mark.parametrize("command", ["KEYS tm:*", "SCAN 0", "FLUSHALL", "CONFIG GET maxmemory", "GET of:another"])
def test_taskmill_reaches_its_own_keys_only_and_walks_over_none(stack: LocalSystem, command: str) -> None:
    """Whoever uses such a command anywhere is found at the end of the tests (tests/conftest.py)."""
    assert refused_by_redis(stack) == [], "so far"
    with redis.Redis.from_url(stack.env["CACHE_URL"]) as taskmill, pytest.raises(redis.exceptions.NoPermissionError):
        taskmill.execute_command(command)
    assert len(refused_by_redis(stack)) == 1
    with redis.Redis.from_url(stack.part("redis").url) as operator:
        operator.acl_log_reset()


def test_environment_file_serves_a_shell(stack: LocalSystem) -> None:
    """`set -a; . .stack/env` lets manage.py work on the running stack."""
    env = Path(stack.state()["env"])
    words = f"set -a; . {env}; set +a; exec .venv/bin/python manage.py showmigrations --plan --database direct"
    done = subprocess.run(["sh", "-c", words], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "[ ]" not in done.stdout
    assert env.stat().st_mode & 0o077 == 0
