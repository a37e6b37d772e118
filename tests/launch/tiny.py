"""A system of two small servers and a step, in a process of its own: `python -m tests.launch.tiny FOLDER PORT [fault]`.

The launcher owns signals and the main thread, so a test cannot run it in its own process.
"""

import sys
from pathlib import Path

from config.launch import disk, probes, state
from config.launch.console import Console
from config.launch.errors import LaunchError
from config.launch.parts import Part
from config.launch.system import System

_PATH = {"PATH": "/usr/bin:/bin"}


def parts(folder: Path, port: int, fault: str) -> list[Part]:
    words = "echo preparing; echo no space here; exit 3" if fault == "step" else "true"
    stubborn = "trap '' TERM; " if fault.startswith("stubborn") else ""
    server = (sys.executable, "-S", "-m", "http.server", "--bind", "127.0.0.1", str(port))
    return [
        Part(name="step", command=["sh", "-c", words], env=_PATH, log=folder / "log" / "step.log", once=True),
        Part(
            name="web",
            command=["no-such-program"] if fault == "program" else list(server),
            env=_PATH,
            log=folder / "log" / "web.log",
            cwd=folder,
            needs=("step",),
            port=port,
            url=f"http://127.0.0.1:{port}",
            ready=probes.port(port),
        ),
        # A child in its own session, as PostgreSQL's are: no signal to the group reaches it.
        Part(
            name="family",
            command=["sh", "-c", f"{stubborn}sleep 600 & setsid sleep 600 & while :; do wait; done"],
            env=_PATH,
            log=folder / "log" / "family.log",
            needs=("web",),
            stop_seconds=600 if fault == "stubborn for long" else 0.5,
        ),
    ]


def main() -> int:
    folder, port, fault = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    try:
        disk.prepare(folder, megabytes=1)
        with state.only_one(folder, "The tiny system"):
            about = {"api": {"url": f"http://127.0.0.1:{port}"}}
            System(folder, parts(folder, port, fault), about, "choose another port", Console()).run()
    except LaunchError as error:
        sys.stderr.write(f"taskmill: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
