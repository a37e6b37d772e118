"""`python -m config.launch TARGET`: what the Makefile calls. Imports no Django, so that it starts at once."""

import argparse
import importlib
import re
import subprocess
import sys
from collections.abc import Callable

from config.launch import background, client, control, disk, state
from config.launch.application import ROOT, run_folder
from config.launch.console import Console
from config.launch.errors import LaunchError, explain
from config.launch.system import System

STACK, RUN = ROOT / ".stack", run_folder()


def _build(module: str, console: Console) -> System:
    build: Callable[[Console], System] = importlib.import_module(module).build
    return build(console)


def _run(arguments: argparse.Namespace) -> None:
    disk.prepare(RUN, megabytes=500)
    with state.only_one(RUN, "`make run`"):
        _build("config.launch.embedded.system", Console()).run()


def _stack(arguments: argparse.Namespace) -> None:
    disk.prepare(STACK, megabytes=1000)
    with state.only_one(STACK, "The stack"):
        _build("config.launch.stack.system", Console()).run()


def _stack_up(arguments: argparse.Namespace) -> None:
    console = Console()
    if state.is_running(found := state.read(STACK)):
        console.line(f"The stack is running already: {(found or {})['api']['url']}")
        return
    disk.prepare(STACK, megabytes=1000)
    background.start(STACK, "stack", console)


def _stack_down(arguments: argparse.Namespace) -> None:
    console = Console()
    was_running = background.stop(STACK, console)
    console.line("Stopped; the data stays in .stack." if was_running else "The stack is not running.")


def _with_stack(arguments: argparse.Namespace) -> None:
    """Run a command while the stack runs; one that was not running before is stopped again."""
    console, was_running = Console(), state.is_running(state.read(STACK))
    if not was_running:
        disk.prepare(STACK, megabytes=1000)
        background.start(STACK, "stack", console)
    try:
        code = subprocess.run(arguments.words, check=False).returncode
    finally:
        if not was_running:
            background.stop(STACK, console)
    sys.exit(code)


def _clean(arguments: argparse.Namespace) -> None:
    for folder in (STACK, ROOT / ".run", ROOT / ".bench"):
        disk.remove(folder)


def _install(arguments: argparse.Namespace) -> None:
    layout = importlib.import_module("config.launch.stack.layout")
    importlib.import_module("config.launch.stack.install").install(Console(), layout.cache_folder(), arguments.more)


def _status(arguments: argparse.Namespace) -> None:
    """Every part of what runs, one line each; exit code 1 when nothing runs."""
    system = client.find()
    print(f"{system.folder.name}  {system.api_url}")
    for name, part in system.parts().items():
        ready = "ready" if part["ready"] else "starting"
        url = re.sub("//.*@", "//", part["url"] or "")  # the password is in the state file
        print(f"  {name:<22} {ready:<9} pid {part['pid']:<8} {url}")


def _part(arguments: argparse.Namespace) -> None:
    for what in ("stop", "start") if arguments.do == "restart" else (arguments.do,):
        control.ask(client.find().folder, what, arguments.part)


def _token(arguments: argparse.Namespace) -> None:
    print(client.find().token(arguments.user))


_COMMANDS: dict[str, Callable[[argparse.Namespace], None]] = {
    "run": _run,
    "stack": _stack,
    "stack-up": _stack_up,
    "stack-down": _stack_down,
    "stack-install": _install,
    "with-stack": _with_stack,
    "clean": _clean,
    "status": _status,
    "token": _token,
    "part": _part,
}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m config.launch", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in _COMMANDS:
        command = commands.add_parser(name)
        if name == "token":
            command.add_argument("user", nargs="?", default="alice")
        if name == "part":
            command.add_argument("do", choices=["start", "stop", "restart", "kill", "freeze", "thaw"])
            command.add_argument("part")
        if name == "stack-install":
            command.add_argument("more", nargs="*", help="programs to install besides, by Debian's names")
        if name == "with-stack":
            command.add_argument("words", nargs=argparse.REMAINDER)
    return parser.parse_args()


def main() -> int:
    arguments = _arguments()
    try:
        _COMMANDS[arguments.command](arguments)
    except LaunchError as error:
        if str(error):  # empty: the launcher in the background has said it
            print(f"taskmill: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"taskmill: {explain(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
