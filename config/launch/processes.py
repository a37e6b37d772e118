"""What /proc tells about processes, and signals that reach a whole part.

A process id alone proves nothing, because ids are given out again: every check here compares the start time
too, or the mark that the launcher puts into the environment of what it starts.
"""

import os
import shutil
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

MARK = "TASKMILL_LAUNCH"


class Process(NamedTuple):
    pid: int
    parent: int
    group: int
    session: int
    started: int  # clock ticks since boot: field 22 of /proc/PID/stat


def look(pid: int) -> Process | None:
    """None when there is no such process, or only its unread exit code."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    if fields[0] in {"Z", "X"}:
        return None
    return Process(pid, int(fields[1]), int(fields[2]), int(fields[3]), int(fields[19]))


def is_alive(pid: int, started: int) -> bool:
    process = look(pid)
    return process is not None and process.started == started


def everything() -> list[Process]:
    found = (look(int(entry.name)) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return [process for process in found if process is not None]


def mark(folder: Path, part: str) -> str:
    return f"{folder} {part}"


def _is_marked(pid: int, text: str) -> bool:
    try:
        return f"{MARK}={text}".encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False


def _runs(pid: int, program: str) -> bool:
    found = shutil.which(program)
    try:
        return found is not None and Path(f"/proc/{pid}/exe").resolve(strict=True) == Path(found).resolve()
    except OSError:
        return False


@dataclass(frozen=True)
class Origin:
    """By what a part's processes are known: its first process, which leads a session, its mark and its program."""

    pid: int
    started: int
    mark: str
    program: str

    def includes(self, process: Process, leads: bool) -> bool:
        """`leads`: the first process still lives. When it does not, its session's id could be somebody else's."""
        if process.session == self.pid and (leads or _runs(process.pid, self.program)):
            return True
        return _is_marked(process.pid, self.mark)


def family(origin: Origin) -> list[Process]:
    """A part's processes: the first one, its session, those that carry its mark, and all that descend from them.

    No single way is enough: PostgreSQL's children lead sessions of their own, nginx's overwrite their
    environment, RabbitMQ's virtual machine outlives its start script.
    """
    running = everything()
    leads = is_alive(origin.pid, origin.started)
    members = {process.pid for process in running if origin.includes(process, leads)}
    while more := {process.pid for process in running if process.parent in members} - members:
        members |= more
    return [process for process in running if process.pid in members]


def send(processes: Iterable[Process], number: signal.Signals) -> None:
    for process in processes:
        if is_alive(process.pid, process.started):
            try:
                os.kill(process.pid, number)
            except ProcessLookupError:
                continue  # it ended in this very moment, which is what most signals want


def wait_gone(processes: Iterable[Process], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while any(is_alive(process.pid, process.started) for process in processes):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
