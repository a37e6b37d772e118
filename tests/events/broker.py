"""A RabbitMQ of the tests' own, with the configuration of `make stack`, to be stopped, frozen and starved at will."""

import base64
import json
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from config.launch.parts import Running
from config.launch.stack import rabbitmq
from config.launch.stack.layout import Layout

PORTS = ("rabbitmq", "rabbitmq-distribution", "epmd", "rabbitmq-management", "rabbitmq-metrics")


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def eventually(condition: Callable[[], Any], *, within: float, what: str) -> Any:
    """The condition's first true value. The bound is generous: it ends a hung test, it measures nothing."""
    deadline = time.monotonic() + within
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{what} did not happen within {within:g} s"
        time.sleep(0.05)
    return value


class Broker:
    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="taskmill-broker-"))
        self.folder.chmod(0o755)  # its server runs as an account of its own
        password = secrets.token_urlsafe(16)
        self._login = base64.b64encode(f"taskmill:{password}".encode()).decode()
        self.epmd, self.server = rabbitmq.parts(
            Layout(
                folder=self.folder,
                data=self.folder,
                cache=self.folder,
                port=dict(zip(PORTS, free_ports(len(PORTS)), strict=True)),
                secret={"RABBITMQ_PASSWORD": password},
            )
        )
        self.url = str(self.server.url)
        self._mapper = Running(self.epmd, f"{self.folder} epmd")
        self.start()

    def start(self) -> None:
        if self.server.prepare:
            self.server.prepare()
        self._running = Running(self.server, f"{self.folder} rabbitmq")
        ready = self.server.ready
        assert ready is not None
        eventually(ready, within=120, what="the start of RabbitMQ")

    def kill(self) -> None:
        self._running.kill()

    def freeze(self) -> None:
        self._running.signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        self._running.signal_all(signal.SIGCONT)

    def alarm(self, on: bool) -> None:
        limit = "999GB" if on else "200MB"
        command = [str(rabbitmq.PROGRAMS / "rabbitmqctl"), "-q", "set_disk_free_limit", limit]
        subprocess.run(command, env=dict(self.server.env), check=True, capture_output=True, timeout=60)

    def count(self, queue: str) -> int:
        """The messages in a queue, those in a worker's hands included; 0 when there is no such queue."""
        found = {each["name"]: each.get("messages", 0) for each in self._ask("GET", "queues/taskmill")}
        return int(found.get(queue, 0))

    def delete_queues(self) -> None:
        for each in self._ask("GET", "queues/taskmill"):
            self._ask("DELETE", f"queues/taskmill/{each['name']}")

    def _ask(self, method: str, path: str) -> Any:
        url = f"{self.server.facts['management']}/api/{path}"
        request = urllib.request.Request(url, method=method, headers={"Authorization": f"Basic {self._login}"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read() or b"null")

    def stop(self) -> None:
        self._running.kill()
        self._mapper.kill()
        shutil.rmtree(self.folder)
