"""Servers of one test's own, to be killed, frozen and filled at will."""

import itertools
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis

from config.cache import memory
from config.launch import ports

LONG_AGO = f"{1:0{memory.SIZE}}"  # under memory.KEY: a Redis that has forgotten nothing that matters


# Below those that the system gives to clients, one of which could have it before the server does; above the rows of
# tests.embedded_fixture; of each test process its own. From anywhere on: another checkout may be tested too.
_FIRST = 22_000 + 3_000 * (int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 4)
_COUNT = 1_000
_PORTS = itertools.cycle(_FIRST + (place + os.getpid()) % _COUNT for place in range(_COUNT))


def free_port() -> int:
    """Each time another one: a server that was just told its port needs a moment to take it."""
    return next(port for port in _PORTS if ports.is_free(port))


def eventually(condition: Callable[[], Any], what: str, within: float = 20) -> Any:
    """The condition's first true value. The bound ends a hung test; it measures nothing."""
    deadline = time.monotonic() + within
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{what} did not happen within {within:g} s"
        time.sleep(0.02)
    return value


class OwnRedis:
    """Keeps nothing on disk: after a restart it knows no script and no key."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.client = redis.Redis(port=self.port, socket_timeout=5)
        self.start()

    def start(self) -> None:
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self.process = subprocess.Popen(
            ["redis-server", *options, "--dir", str(self.folder)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        eventually(self._answers, "the start of Redis")

    def _answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except redis.RedisError:
            return False

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def fill(self) -> None:
        """Full, and told to throw nothing away."""
        used = self.client.info("memory")["used_memory"]
        self.client.config_set("maxmemory-policy", "noeviction")
        self.client.config_set("maxmemory", used // 2)

    def empty(self) -> None:
        self.client.config_set("maxmemory", 0)
