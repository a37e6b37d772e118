"""Start, watch and stop the parts of one local system, each as soon as what it needs is ready.

One thread and one loop: the kernel ends a child when the *thread* that made it ends, so all children are made
by the main thread, and nothing in the loop waits longer than a probe does.
"""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from config.launch import ports, state
from config.launch.console import Console
from config.launch.control import Control
from config.launch.errors import LaunchError
from config.launch.parts import Part, Running
from config.launch.processes import look, mark

_TICK = 0.1
_IMPATIENT = 2  # a second Ctrl-C


class System:
    """`about` are the state file's entries about the whole system, such as `{"api": {"url": …}}`."""

    def __init__(
        self, folder: Path, parts: Sequence[Part], about: Mapping[str, Any], hint: str, console: Console
    ) -> None:
        self.folder, self.about, self.hint, self.console = folder, about, hint, console
        self.parts = {part.name: part for part in parts}
        self.running: dict[str, Running] = {}  # in the order of their start
        self.is_ready = False
        self.stops = 0  # how often somebody asked to stop

    def run(self) -> None:
        """Start everything, stay until a signal comes, stop everything. Raises LaunchError when a start fails."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._asked_to_stop)
        for name in state.end_leftovers(self.folder):
            self.console.line(f"  {name:<22} left over by an earlier start: ended")
        ports.check_free(self.parts.values(), self.hint)
        try:
            self.start(list(self.parts))
            if not self.stops:
                self._stay()
        finally:
            self.console.restart()
            self.stop()
            (self.folder / "state.json").unlink(missing_ok=True)

    def announce(self) -> None:
        """Called once all parts are ready; targets print their addresses here."""

    def start(self, names: Sequence[str]) -> None:
        """Start these parts, each when those of them that it needs are ready; returns when all are.

        Needs that are not among `names` do not count: drills start a worker while the broker is down.
        """
        waiting = list(names)
        deadlines: dict[str, float] = {}
        while (waiting or deadlines) and not self.stops:
            for name in [name for name in waiting if not {*self.parts[name].needs} & {*waiting, *deadlines}]:
                waiting.remove(name)
                part = self.parts[name]
                if not (part.skip and part.skip()):
                    deadlines[name] = time.monotonic() + part.ready_seconds
                    self.open(part)
            for name in [name for name in deadlines if self._is_settled(name, deadlines[name])]:
                del deadlines[name]
            self.console.waiting(deadlines)
            time.sleep(_TICK)

    def open(self, part: Part) -> None:
        if part.prepare:
            part.prepare()
        if before := self.running.pop(part.name, None):
            before.kill()  # somebody killed its first process only: the rest would keep the port
        self.running[part.name] = Running(part, mark(self.folder, part.name))
        self.save()  # before waiting: a launcher killed in this moment must not lose track of it

    def _is_settled(self, name: str, deadline: float) -> bool:
        """Whether a started part is ready, or a step has ended well; raises when that cannot happen any more."""
        running = self.running[name]
        part, code = running.part, running.exit_code()
        if code is not None:
            if not (part.once and code == 0):
                raise LaunchError(
                    f"{name} ended with exit code {code} before it was ready: {running.last_line()} "
                    f"(its log: {part.log})"
                )
            del self.running[name]
        elif not part.once and (part.ready is None or part.ready()):
            running.is_ready = True
        elif time.monotonic() > deadline:
            raise LaunchError(f"{name} was not ready after {part.ready_seconds:.0f} s (its log: {part.log}).")
        else:
            return False
        self.console.part(name, "done" if part.once else "ready")
        self.save()
        return True

    def _stay(self) -> None:
        """Until asked to stop. A part that ends is reported and not restarted: drills end parts on purpose."""
        with Control(self.folder) as control:  # first: who reads "ready" may ask for something at once
            self.is_ready = True
            self.save()
            self.announce()
            while not self.stops:
                self._report_ended()
                control.serve(self, _TICK)

    def _report_ended(self) -> None:
        for name, running in self.running.items():
            code = running.exit_code()
            if code is not None and running.is_ready:
                running.is_ready = False
                self.console.line(f"  {name} ended with exit code {code} (its log: {running.part.log})")
                self.save()

    def stop(self, names: Iterable[str] | None = None) -> None:
        """Stop these parts, or all: in reverse order of the needs, each as soon as nothing needs it any more."""
        chosen = set(self.running if names is None else names)
        deadlines: dict[str, float] = {}
        while left := [name for name in self.running if name in chosen]:
            for name in left:
                if name not in deadlines and not self._is_needed(name, left):
                    self.running[name].ask_to_stop()
                    deadlines[name] = time.monotonic() + self.running[name].part.stop_seconds
                elif name in deadlines:
                    self._finish(name, deadlines[name])
            self.console.waiting(name for name in deadlines if name in self.running)
            time.sleep(_TICK / 2)

    def _is_needed(self, name: str, by: Iterable[str]) -> bool:
        return any(name in self._all_needs(other) for other in by)

    def _all_needs(self, name: str) -> set[str]:
        """Also what a finished step in between needed: the API needs `migrate`, and that the pooler."""
        direct = {needed for needed in self.parts[name].needs if needed in self.parts}
        return direct.union(*(self._all_needs(needed) for needed in direct))

    def _finish(self, name: str, deadline: float) -> None:
        """Forget a part that has ended; past its time, or at a second Ctrl-C, it is killed."""
        running = self.running[name]
        if not running.is_gone():
            if time.monotonic() < deadline and self.stops < _IMPATIENT:
                return
            running.kill()
        del self.running[name]
        self.console.part(name, "stopped")
        with contextlib.suppress(OSError):  # a full disk must not keep the other parts from being stopped
            self.save()

    def kill(self, name: str) -> None:
        self.running[name].kill()
        self._report_ended()

    def act(self, what: str, name: str) -> None:
        """Carry out what a drill asks for one part."""
        if name not in self.parts:
            raise LaunchError(f"there is no part {name}: there are {', '.join(self.parts)}.")
        if what == "start":
            if name in self.running and self.running[name].exit_code() is None:
                raise LaunchError(f"{name} is running already.")
            return self.start([name])
        if what not in _ACTIONS:
            raise LaunchError(f"{what} is not known: use start, stop, kill, freeze or thaw.")
        if name not in self.running:
            raise LaunchError(f"{name} is not running.")
        return _ACTIONS[what](self, name)

    def save(self) -> None:
        me = look(os.getpid())
        launcher = {"pid": os.getpid(), "started": me.started if me else 0}
        parts = {name: state.entry(running) for name, running in self.running.items()}
        state.write(self.folder, {**self.about, "ready": self.is_ready, "launcher": launcher, "parts": parts})

    def _asked_to_stop(self, number: int, frame: FrameType | None) -> None:
        self.stops += 1


_ACTIONS: Mapping[str, Callable[[System, str], None]] = {
    "stop": lambda system, name: system.stop([name]),
    "kill": lambda system, name: system.kill(name),
    "freeze": lambda system, name: system.running[name].signal_all(signal.SIGSTOP),
    "thaw": lambda system, name: system.running[name].signal_all(signal.SIGCONT),
}
