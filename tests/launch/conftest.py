import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from config.launch import state
from config.launch.application import ROOT
from config.launch.client import LocalSystem
from config.launch.processes import Process, everything, mark


def eventually(look: Callable[[], Any], what: str, within: float = 20) -> Any:
    """A bound on waiting, not a measurement."""
    deadline = time.monotonic() + within
    while not (found := look()):
        assert time.monotonic() < deadline, f"not within {within} s: {what}"
        time.sleep(0.02)
    return found


@dataclass
class Tiny:
    """A launcher of `tests.launch.tiny` in a folder, and the processes that carry the folder's mark."""

    folder: Path
    port: int
    launcher: subprocess.Popen[str] | None = None

    def start(self, fault: str = "none") -> subprocess.Popen[str]:
        self.launcher = subprocess.Popen(
            [sys.executable, "-m", "tests.launch.tiny", str(self.folder), str(self.port), fault],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        return self.launcher

    def is_ready(self) -> bool:
        return bool((state.read(self.folder) or {}).get("ready"))

    def up(self, fault: str = "none") -> LocalSystem:
        self.start(fault)
        eventually(self.is_ready, "the tiny system is ready")
        return LocalSystem(self.folder)

    def processes(self) -> list[Process]:
        """All that the launcher has started and that still lives, whatever the state file says."""
        marks = [f"TASKMILL_LAUNCH={mark(self.folder, name)}".encode() for name in ("step", "web", "family")]
        return [process for process in everything() if set(marks) & set(_environ(process.pid))]

    def end(self) -> None:
        if self.launcher and self.launcher.poll() is None:
            self.launcher.send_signal(signal.SIGTERM)
            self.launcher.communicate(timeout=30)
        for process in self.processes():
            os.kill(process.pid, signal.SIGKILL)


def _environ(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Tiny]:
    system = Tiny(tmp_path / "system", free_port())
    yield system
    system.end()
