"""Start a system in the background and stop it again: a launcher of its own, detached from the terminal."""

import signal
import subprocess
import sys
import time
from pathlib import Path

from config.launch import state
from config.launch.application import ROOT
from config.launch.console import Console
from config.launch.errors import LaunchError
from config.launch.processes import Process, family, look, send, wait_gone


def start(folder: Path, target: str, console: Console) -> None:
    """Start the launcher of `target` and show what it does until all is ready; raises when it gives up."""
    log = folder / "log" / "launcher.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as out:
        launcher = subprocess.Popen(
            [sys.executable, "-m", "config.launch", target],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _follow(launcher, folder, log, console)
    except KeyboardInterrupt:
        launcher.terminate()
        launcher.wait()
        raise LaunchError("stopped before everything was ready.") from None


def _follow(launcher: subprocess.Popen[bytes], folder: Path, log: Path, console: Console) -> None:
    with log.open(encoding="utf-8", errors="replace") as lines:
        while True:
            code, found = launcher.poll(), state.read(folder) or {}
            is_ready = found.get("ready") and (found.get("launcher") or {}).get("pid") == launcher.pid
            for line in lines:
                console.line(line.rstrip())
            if code is not None:
                raise LaunchError("") if code else LaunchError("stopped before everything was ready.")
            if is_ready:
                return
            time.sleep(0.1)


def stop(folder: Path, console: Console) -> bool:
    """Stop the launcher and with it everything; end leftovers when it is gone. False: nothing was running."""
    found = state.read(folder)
    if found is None or not state.is_running(found):
        left = state.end_leftovers(folder)
        (folder / "state.json").unlink(missing_ok=True)
        return bool(left)
    known = [family(state.origin(folder, name, part)) for name, part in found["parts"].items()]
    launcher = look(int(found["launcher"]["pid"]))
    if launcher:
        _end(launcher, folder, console)
    state.end_leftovers(folder)
    if not wait_gone([process for part in known for process in part], 5):
        raise LaunchError(f"some processes did not end: see {folder / 'state.json'}.")
    return True


def _end(launcher: Process, folder: Path, console: Console) -> None:
    """Show what the launcher says while it stops everything; kill one that does not come to an end."""
    deadline = time.monotonic() + 60
    with (folder / "log" / "launcher.log").open("a+", encoding="utf-8", errors="replace") as lines:
        send([launcher], signal.SIGTERM)
        while not wait_gone([launcher], 0.1):
            for line in lines:
                console.line(line.rstrip())
            if time.monotonic() > deadline:
                send([launcher], signal.SIGKILL)
