"""Make `.venv`, in which everything else runs: `python3 config/launch/bootstrap.py [--dev]`.

For the Python of the system, whichever it is: the standard library only, and nothing that Python 3.6 could not
parse or define (hence the quoted annotations), so that an old one can say in one line what is needed. What is
installed is the hash-locked sets of `requirements/`. A stamp of these files makes a second call quick; a call that
was interrupted or ran out of disk or network leaves a mark, and the next one begins anew.
"""

import sys

if __name__ == "__main__":
    sys.path.pop(0)  # this folder: its modules have names of the standard library's

import collections.abc
import fcntl
import hashlib
import json
import os
import select
import shutil
import signal
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LEAST = (3, 11)
NEWER = ("python3.14", "python3.13", "python3.12", "python3.11")
MEGABYTES = 700  # what the packages take on disk, and what pip needs beside them while it unpacks
_IS_NEW_ENOUGH = "import sys; sys.exit(sys.version_info < (3, 11))"
_CAN_MAKE_VENV = "import venv, ensurepip"
SYSTEM = "/usr/bin/python3"
_IS_OPTIMIZED = (
    "import sys, sysconfig; sys.exit('--enable-optimizations' not in str(sysconfig.get_config_var('CONFIG_ARGS')))"
)

# What pip says, and what is said instead. The first that is found counts.
_REASONS = (
    ("No space left on device", "the disk is full: free about 700 MB and run this again."),
    ("Disk quota exceeded", "the disk quota is used up: free about 700 MB and run this again."),
    ("Read-only file system", "the file system is read-only: use a checkout that can be written."),
    ("DO NOT MATCH THE HASHES", "a downloaded package is not the one that was locked: is there a wrong mirror?"),
    ("Permission denied", "some file may not be written: is the checkout or ~/.cache/pip another user's?"),
    ("CERTIFICATE_VERIFY_FAILED", "the package index shows an unknown certificate: set PIP_CERT to your proxy's."),
    ("ProxyError", "the proxy does not let pip through: check HTTPS_PROXY and run this again."),
    ("NewConnectionError", "the package index cannot be reached: check the network and run this again."),
    ("name resolution", "the package index cannot be reached: check the network and run this again."),
    ("Name or service not known", "the package index cannot be reached: check the network and run this again."),
    ("Retrying (", "the connection to the package index broke: run this again."),
)


class Failure(Exception):
    """Why it cannot go on, in one line that says what to do."""


class Place:
    """The virtual environment of a checkout, and the files that say what is in it."""

    def __init__(self, root: Path) -> None:
        self.root, self.venv = root, root / ".venv"
        self.python = self.venv / "bin" / "python"
        self.stamp, self.mark = self.venv / "taskmill-stamp.json", self.venv / "taskmill-installing"
        self.lock = root / ".cache" / "bootstrap.lock"

    def requirements(self, dev: bool) -> "list[Path]":
        names = ["base.txt", "run.txt", *(["dev.txt"] if dev else [])]
        return [self.root / "requirements" / name for name in names]

    def wanted(self, dev: bool) -> "dict[str, str]":
        """The hash of each requirement file."""
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in self.requirements(dev)}

    def installed(self) -> "dict[str, str]":
        try:
            return dict(json.loads(self.stamp.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return {}

    def is_current(self, dev: bool) -> bool:
        """Whether nothing is to do. The interpreter is looked at too: an upgrade of the system may remove it."""
        installed = self.installed()
        wanted = self.wanted(dev).items()
        return self.python.exists() and all(installed.get(name) == digest for name, digest in wanted)

    def installed_packages(self) -> int:
        return len(list(self.venv.glob("lib/python3*/site-packages/*.dist-info")))


def main(arguments: "list[str]", root: Path = ROOT) -> int:
    """0 when `.venv` is ready, 130 after Ctrl-C, else 1 with one line that says why."""
    place, dev = Place(root), "--dev" in arguments
    try:
        if not place.is_current(dev):
            signal.signal(signal.SIGTERM, signal.default_int_handler)
            _prepare(place, dev)
    except Failure as failure:
        return _give_up(str(failure))
    except OSError as error:
        return _give_up(f"{error.filename or 'the system'}: {error.strerror}: put that right and run this again.")
    except KeyboardInterrupt:
        _give_up("stopped; run this again to finish.")
        return 130
    return 0


def _give_up(reason: str) -> int:
    print(f"bootstrap: {reason}", file=sys.stderr)
    return 1


def _prepare(place: Place, dev: bool) -> None:
    python = _suitable_python()
    _check_venv_module(python)
    _check_disk(place.root)
    place.lock.parent.mkdir(exist_ok=True)
    with place.lock.open("w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("bootstrap: another one is installing, waiting for it.", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.is_current(dev):
            _make_venv(place, python)
            _install(place, dev)


def _suitable_python() -> str:
    """TASKMILL_PYTHON, or this interpreter, or else a newer one on the PATH."""
    if os.environ.get("TASKMILL_PYTHON"):
        return _chosen(os.environ["TASKMILL_PYTHON"])
    if sys.version_info[:2] >= LEAST:
        return _quick(sys.executable)
    for name in NEWER:
        path = shutil.which(name)
        if path and _succeeds(path, _IS_NEW_ENOUGH):
            return path
    found = ".".join(map(str, sys.version_info[:2]))
    raise Failure(
        f"Python 3.11 or newer is needed, this is {found}, and none is on the PATH: install one, on Debian 12 by "
        "`apt install python3.11 python3.11-venv`."
    )


def _chosen(name: str) -> str:
    path = shutil.which(name)
    if path is None or not _succeeds(path, _IS_NEW_ENOUGH):
        raise Failure(f"TASKMILL_PYTHON={name} is no Python of 3.11 or newer: name another, or unset it.")
    return path


def _quick(python: str) -> str:
    """The system's own instead of one that was compiled without optimization, which takes a fifth more CPU."""
    is_slow = not python.startswith("/usr/bin/") and not _succeeds(python, _IS_OPTIMIZED)
    if not is_slow or not (_succeeds(SYSTEM, _IS_NEW_ENOUGH) and _succeeds(SYSTEM, _CAN_MAKE_VENV)):
        return python
    print(
        f"bootstrap: taking {SYSTEM}, as {python} was compiled without --enable-optimizations and would take a fifth "
        "more CPU (TASKMILL_PYTHON chooses another).",
        flush=True,
    )
    return SYSTEM


def _check_venv_module(python: str) -> None:
    if not _succeeds(python, _CAN_MAKE_VENV):
        package = _output(python, "import sys; print('python%d.%d-venv' % sys.version_info[:2])")
        raise Failure(f"{python} lacks the venv module: install it, on Debian and Ubuntu by `apt install {package}`.")


def _check_disk(root: Path) -> None:
    free = shutil.disk_usage(str(root)).free // (1024 * 1024)
    if free < MEGABYTES:
        raise Failure(f"{root} has {free} MB of free disk, {MEGABYTES} MB are needed: free some space.")


def _make_venv(place: Place, python: str) -> None:
    """A virtual environment with pip. One in which an installation broke off is made anew: a package whose files
    are half there may count as installed."""
    if place.mark.exists() or not _succeeds(str(place.python), _IS_NEW_ENOUGH):
        _run([python, "-m", "venv", "--clear", str(place.venv)], lambda line: "making .venv")
    elif not _succeeds(str(place.python), "import pip"):
        _run([str(place.python), "-m", "ensurepip"], lambda line: "adding pip to .venv")


def _install(place: Place, dev: bool) -> None:
    files = place.requirements(dev)
    place.mark.touch()
    command = [str(place.python), "-m", "pip", "install", "--require-hashes", "--only-binary", ":all:"]
    command += ["--disable-pip-version-check", "--no-input", "--progress-bar", "off", "--retries", "2"]
    for path in files:
        command += ["-r", str(path)]
    _run(command, _Counting(place, sum(map(_count, files))))
    stamp = {**place.installed(), **place.wanted(dev)}
    place.stamp.write_text(json.dumps(stamp), encoding="utf-8")
    place.mark.unlink()
    print("bootstrap: .venv is ready.", flush=True)


def _count(path: Path) -> int:
    lines = path.read_text(encoding="utf-8").splitlines()
    return sum("==" in line and not line.lstrip().startswith("#") for line in lines)


class _Counting:
    """What pip is doing, from its lines: it names each package once, then installs them all in silence."""

    def __init__(self, place: Place, total: int) -> None:
        self.place, self.total, self.fetched, self.installs = place, total, 0, False

    def __call__(self, line: str) -> str:
        self.fetched += line.startswith(("Collecting ", "Requirement already satisfied"))
        self.installs |= line.startswith("Installing collected packages")
        if self.installs:
            return f"installing packages {min(self.place.installed_packages(), self.total)}/{self.total}"
        return f"fetching packages {min(self.fetched, self.total)}/{self.total}"


def _run(command: "list[str]", describe: "collections.abc.Callable[[str], str]") -> None:
    """Run a command and show what it does on one line; Failure with its reason when it fails."""
    env = {**os.environ, "PYTHONUNBUFFERED": "1", "LC_ALL": "C", "PIP_USER": "0"}
    env.pop("PYTHONPATH", None)
    out, together, none = subprocess.PIPE, subprocess.STDOUT, subprocess.DEVNULL
    with subprocess.Popen(command, env=env, stdin=none, stdout=out, stderr=together) as process:
        try:
            output = _follow(process.stdout.fileno(), describe) if process.stdout else ""
        except BaseException:
            process.terminate()
            raise
    if process.returncode:
        raise Failure(_reason(output))


def _follow(descriptor: int, describe: "collections.abc.Callable[[str], str]") -> str:
    """Everything that comes, while the line is redrawn twice a second."""
    line, output, rest = _Line(), "", b""
    while True:
        line.draw(describe(""))
        if not select.select([descriptor], [], [], 0.5)[0]:
            continue
        chunk = os.read(descriptor, 65536)
        if not chunk:
            line.end()
            return output + rest.decode("utf-8", "replace")
        *lines, rest = (rest + chunk).split(b"\n")
        for text in (raw.decode("utf-8", "replace").strip() for raw in lines):
            output += text + "\n"
            describe(text)


class _Line:
    """One line that moves on a terminal; elsewhere a line for each new step, and one every ten seconds."""

    def __init__(self) -> None:
        self.begun, self.is_terminal = time.monotonic(), sys.stdout.isatty()
        self.step, self.due = "", 0.0

    def draw(self, text: str) -> None:
        seconds = time.monotonic() - self.begun
        if self.is_terminal:
            print(f"\r\033[Kbootstrap: {text}, {seconds:.0f} s", end="", flush=True)
            return
        step, _, _ = text.partition(" ")
        if step != self.step or seconds >= self.due:
            self.step, self.due = step, seconds + 10
            print(f"bootstrap: {text}, {seconds:.0f} s", flush=True)

    def end(self) -> None:
        if self.is_terminal:
            print("\r\033[K", end="", flush=True)


def _reason(output: str) -> str:
    for sign, reason in _REASONS:
        if sign in output:
            return reason
    lines = [line for line in output.splitlines() if line]
    errors = [line for line in lines if line.startswith("ERROR")] or lines[-1:]
    return errors[0] if errors else "pip failed without a word."


def _succeeds(python: str, code: str) -> bool:
    return _output(python, code) is not None


def _output(python: str, code: str) -> "str | None":
    """What a Python prints for some code; None when it cannot be started or fails."""
    out, none = subprocess.PIPE, subprocess.DEVNULL
    try:
        done = subprocess.run([python, "-c", code], check=False, stdout=out, stderr=none)
    except OSError:
        return None
    return None if done.returncode else done.stdout.decode().strip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
