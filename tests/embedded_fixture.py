"""`make run`'s system for tests: on free ports, with its data in a folder of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from config.launch import disk, ports, state
from config.launch.application import ROOT
from config.launch.client import LocalSystem

_PORTS = 20  # how many `make run` takes, from RUN_PORT on
_READY_WITHIN = 180.0  # seconds, a bound on waiting
# All else stays out: tests.environment sets addresses for the tests, and what is set wins over `make run`'s own.
_KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "SSL_CERT_FILE")


def free_ports() -> int:
    """The first of a row of free ports, below those that the system gives to clients.

    Two test processes that look at the same time must not find the same row: each looks where the other does not.
    """
    lowest = 20_000 + 3_000 * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    for first in range(lowest, 32_000, _PORTS):
        if all(ports.is_free(port) for port in range(first, first + _PORTS)):
            return first
    raise AssertionError(f"no {_PORTS} free ports in a row")


@dataclass
class EmbeddedRun:
    """One `python -m config.launch run`, which `make run` is after the installation."""

    folder: Path
    port: int = field(default_factory=free_ports)

    def open(self, **environment: str) -> subprocess.Popen[str]:
        env = {name: os.environ[name] for name in _KEPT if name in os.environ}
        env |= {"RUN_DIR": str(self.folder), "RUN_PORT": str(self.port), **environment}
        command = [sys.executable, "-m", "config.launch", "run"]
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    @contextmanager
    def up(self) -> Iterator[tuple[LocalSystem, subprocess.Popen[str]]]:
        """The running system and its launcher; stopped by Ctrl-C's signal at the end."""
        launcher = self.open()
        try:
            self._wait(launcher)
            yield LocalSystem(self.folder), launcher
        finally:
            launcher.send_signal(signal.SIGINT)
            launcher.communicate(timeout=60)

    def _wait(self, launcher: subprocess.Popen[str]) -> None:
        deadline = time.monotonic() + _READY_WITHIN
        while not self._is_ready(launcher.pid):
            if launcher.poll() is not None:
                pytest.fail(f"make run ended: {launcher.communicate()[1]}")
            assert time.monotonic() < deadline, f"make run was not ready within {_READY_WITHIN} s"
            time.sleep(0.1)

    def _is_ready(self, pid: int) -> bool:
        """By this launcher: a killed one leaves a state file that says the same."""
        found = state.read(self.folder) or {}
        return bool(found.get("ready")) and found["launcher"]["pid"] == pid


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalSystem]:
    """One embedded system for all tests that take it. Of two runs at a time each has its own."""
    run = EmbeddedRun(tmp_path_factory.mktemp("embedded") / "run")
    with run.up() as (system, _):
        yield system
    disk.remove(run.folder)
