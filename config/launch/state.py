"""The state file of a local system: what runs, where it answers, and which process it is.

Tests and drills read it. It holds passwords inside URLs, so only its owner may read it.
"""

import contextlib
import fcntl
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from config.launch.errors import LaunchError
from config.launch.parts import Running
from config.launch.processes import Origin, family, is_alive, mark, send, wait_gone

State = dict[str, Any]


def write_private(path: Path, text: str) -> None:
    """Replace a file at once, readable by its owner only: a reader never sees half of it."""
    beside = path.with_name(f"{path.name}.new")
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    beside.replace(path)


def read(folder: Path) -> State | None:
    try:
        state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return state if isinstance(state, dict) else None


def write(folder: Path, state: State) -> None:
    write_private(folder / "state.json", json.dumps(state, indent=2) + "\n")


def entry(running: Running) -> State:
    """What the state file says about one part. `started` is in clock ticks since boot."""
    part = running.part
    return {
        "pid": running.process.pid,
        "pgid": running.process.pid,
        "started": running.started,
        "port": part.port,
        "url": part.url,
        "ready": running.is_ready,
        "user": part.user if os.geteuid() == 0 else None,
        "command": list(part.command),
        "cwd": str(part.cwd or "/"),
        "log": str(part.log),
        **part.more_ports,
        **part.facts,
    }


def origin(folder: Path, name: str, part: State) -> Origin:
    return Origin(int(part["pid"]), int(part["started"]), mark(folder, name), str(part["command"][0]))


def is_running(state: State | None) -> bool:
    """Whether the launcher that wrote this state still lives."""
    launcher = (state or {}).get("launcher") or {}
    return is_alive(int(launcher.get("pid", 0)), int(launcher.get("started", -1)))


def end_leftovers(folder: Path) -> list[str]:
    """End what a killed launcher left behind, and only that; the names of the parts found alive."""
    state = read(folder) or {}
    ended = []
    for name, part in reversed((state.get("parts") or {}).items()):
        left = family(origin(folder, name, part))
        if left:
            send(left, signal.SIGCONT)
            send(left, signal.SIGTERM)
            if not wait_gone(left, 5):
                send(left, signal.SIGKILL)
                wait_gone(left, 5)
            ended.append(name)
    return ended


@contextlib.contextmanager
def only_one(folder: Path, what: str) -> Iterator[None]:
    """Hold the folder's lock while the system runs: two of them on one data folder would destroy it."""
    with (folder / "lock").open("w", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            pid = ((read(folder) or {}).get("launcher") or {}).get("pid", "unknown")
            raise LaunchError(f"{what} is already running (process {pid}): stop it first.") from error
        yield
