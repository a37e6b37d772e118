"""One core for the servers under test, the others for everything else, so that each is measured alone on its core."""

import os
from collections.abc import Collection, Mapping
from pathlib import Path

from config.launch.parts import Running
from config.launch.processes import Process

_TICKS = os.sysconf("SC_CLK_TCK")


def split() -> tuple[set[int], set[int]]:
    """(the core of the servers under test, those of all else); both the same where there is one only."""
    first, *rest = sorted(os.sched_getaffinity(0))
    return {first}, set(rest) or {first}


def share(running: Mapping[str, Running], tested: Collection[str]) -> None:
    ours, others = split()
    for name, part in running.items():
        for process in part.family():
            for thread in Path(f"/proc/{process.pid}/task").iterdir():
                os.sched_setaffinity(int(thread.name), ours if name in tested else others)


def seconds(part: Running) -> float:
    """CPU that the part's processes have used so far."""
    return sum(_used(process) for process in part.family())


def _used(process: Process) -> float:
    try:
        fields = Path(f"/proc/{process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except FileNotFoundError:
        return 0.0
    return sum(map(int, fields[11:15])) / _TICKS  # its own, and that of children which have ended
