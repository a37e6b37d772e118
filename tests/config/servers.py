"""Servers of one test's own, to be killed, frozen and filled at will."""

import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis

from config.cache import memory

LONG_AGO = f"{1:0{memory.SIZE}}"  # under memory.KEY: a Redis that has forgotten nothing that matters


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


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
