"""One process of a local system: how it is started, when it counts as ready, how it is stopped."""

import ctypes
import os
import pwd
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from config.launch.errors import LaunchError, explain
from config.launch.processes import MARK, Origin, Process, family, look, send

_PR_SET_PDEATHSIG = 1
_SPEAKS_OF_ERROR = re.compile(r"\b(error|fatal|panic|refused)\b", re.IGNORECASE)
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, kw_only=True)
class Part:
    """`once` marks a step that must end with exit code 0 (a migration), not a server that stays."""

    name: str
    command: Sequence[str]
    log: Path
    env: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()  # names of parts that must be ready before this one starts
    user: str | None = None  # only changed to when the launcher is root
    port: int | None = None
    more_ports: Mapping[str, int] = field(default_factory=dict)  # what it is for -> port
    url: str | None = None
    facts: Mapping[str, str] = field(default_factory=dict)  # further entries of the state file
    cwd: Path | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 10
    ready: Callable[[], bool] | None = None  # asked several times a second: must answer within a second
    ready_seconds: float = 60
    prepare: Callable[[], object] | None = None  # writes what the command reads, just before the start
    once: bool = False
    skip: Callable[[], bool] | None = None  # for steps: there is nothing left to do

    def ports(self) -> dict[str, int]:
        first = {"": self.port} if self.port else {}
        return {**first, **self.more_ports}


def account(user: str | None) -> pwd.struct_passwd | None:
    """The account to change to; None when nobody asked, or when only root could."""
    if user is None or os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(user)
    except KeyError:
        return pwd.getpwnam("nobody")


def own(path: Path, user: str | None) -> None:
    """Give a file or an empty folder to the account that its server runs as."""
    if found := account(user):
        os.chown(path, found.pw_uid, found.pw_gid)


def _die_with_the_launcher() -> None:
    # A launcher that is killed cannot stop anybody: the kernel then ends its direct children. This runs after
    # the change of user, because changing the user clears the setting.
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


class Running:
    """A started part. Start them in the main thread: the kernel ends a child with the *thread* that made it."""

    def __init__(self, part: Part, mark: str) -> None:
        self.part, self.mark = part, mark
        self.process = self._open()
        seen = look(self.process.pid)
        self.started = seen.started if seen else 0
        self.is_ready = False

    def _open(self) -> subprocess.Popen[bytes]:
        part, who = self.part, account(self.part.user)
        program = part.command[0]
        if shutil.which(program) is None:
            raise LaunchError(f"{part.name} needs the program {program}, which is not installed.")
        part.log.parent.mkdir(parents=True, exist_ok=True)
        try:
            with part.log.open("ab") as log:
                return subprocess.Popen(
                    list(part.command),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env={**part.env, MARK: self.mark},
                    cwd=part.cwd or "/",
                    start_new_session=True,
                    preexec_fn=_die_with_the_launcher,  # noqa: PLW1509 - the launcher has one thread
                    user=who.pw_uid if who else None,
                    group=who.pw_gid if who else None,
                    extra_groups=[] if who else None,
                )
        except OSError as error:
            raise LaunchError(f"{part.name} cannot be started: {explain(error)}") from error

    def family(self) -> list[Process]:
        return family(Origin(self.process.pid, self.started, self.mark, self.part.command[0]))

    def exit_code(self) -> int | None:
        return self.process.poll()

    def ask_to_stop(self) -> None:
        """The part's own signal, to its first process only: it knows how to end its children."""
        send(self.family(), signal.SIGCONT)  # frozen processes would not see the signal
        self.process.send_signal(self.part.stop_signal)

    def is_gone(self) -> bool:
        return self.exit_code() is not None and not self.family()

    def signal_all(self, number: signal.Signals) -> None:
        """To every process of the part: stopping PostgreSQL's first process alone freezes nothing."""
        send(self.family(), number)

    def kill(self) -> None:
        self.signal_all(signal.SIGKILL)
        self.process.wait()

    def last_line(self) -> str:
        """The last line of the log that speaks of an error, else its last: the reason, most of the time."""
        with self.part.log.open("rb") as log:
            log.seek(max(0, self.part.log.stat().st_size - 4000))
            lines = [line.strip() for line in log.read().decode(errors="replace").splitlines()]
        filled = [line for line in lines if line] or ["its log is empty"]
        return ([line for line in filled if _SPEAKS_OF_ERROR.search(line)] or filled)[-1]
