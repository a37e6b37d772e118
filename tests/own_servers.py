"""The PostgreSQL and the Redis of a test run, beside those of the running system.

Drills stop, freeze and cut the parts of the stack while other processes run other tests (`make test`): whoever has
nothing to do with a drill must not notice it. They die with the process that started them.
"""

import atexit
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psycopg

from config.launch import probes
from config.launch.parts import Part, Running
from config.launch.stack import postgres
from config.launch.stack.layout import HOST, Layout
from tests.events.broker import free_ports

LONGEST = 60.0  # seconds for the start of one
# What a power failure would lose is of no interest here, and a test waits for no disk.
_LOSES_AT_A_POWER_FAILURE = {"fsync": "off", "full_page_writes": "off", "max_connections": "300"}


def start() -> dict[str, str]:
    """Their addresses, under the names that Taskmill's settings have for them."""
    folder = Path(tempfile.mkdtemp(prefix="taskmill-tests-"))
    folder.chmod(0o755)  # PostgreSQL runs as an account of its own
    running: list[Running] = []

    def stop() -> None:
        for each in running:
            each.kill()
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(stop)
    port = dict(zip(("postgres-primary", "redis"), free_ports(2), strict=True))
    secret = {name: secrets.token_urlsafe(16) for name in postgres.SECRETS}
    parts = [*_postgres(folder, port, secret), _redis(folder, port["redis"])]
    for part in parts:
        _start(part, running)
    superuser = f"postgresql://{postgres.USER}:{secret['POSTGRES_PASSWORD']}@{HOST}:{port['postgres-primary']}/postgres"
    with psycopg.connect(superuser, autocommit=True) as connection:
        connection.execute(f"ALTER ROLE {postgres.MIGRATOR} CREATEDB")  # each test process makes one of its own
    return {"DATABASE_URL": str(parts[1].url), "CACHE_URL": f"redis://{HOST}:{port['redis']}/0"}


def _postgres(folder: Path, port: dict[str, int], secret: dict[str, str]) -> list[Part]:
    layout = Layout(folder=folder, data=folder, cache=folder, port={**port, "postgres-replica": 0}, secret=secret)
    return postgres.parts(layout, _LOSES_AT_A_POWER_FAILURE)[:3]  # init, primary, roles


def _redis(folder: Path, port: int) -> Part:
    options = ("--port", str(port), "--bind", HOST, "--save", "", "--appendonly", "no", "--dir", str(folder))
    return Part(
        name="redis",
        command=["redis-server", *options],
        log=folder / "log" / "redis.log",
        env={"PATH": "/usr/bin:/bin"},
        ready=probes.command("redis-cli", "-h", HOST, "-p", str(port), "ping", env={"PATH": "/usr/bin:/bin"}),
    )


def _start(part: Part, running: list[Running]) -> None:
    if part.prepare:
        part.prepare()
    process = Running(part, f"{part.log.parent} {part.name}")
    if part.once:
        if process.process.wait(LONGEST) != 0:
            raise RuntimeError(f"{part.name} failed: {process.last_line()}")
        return
    running.append(process)
    _wait_for(part.ready, part.name)


def _wait_for(ready: Callable[[], bool] | None, name: str) -> None:
    deadline = time.monotonic() + LONGEST
    while ready is not None and not ready():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{name}, a server of the tests' own, did not start within {LONGEST:g} s.")
        time.sleep(0.05)
