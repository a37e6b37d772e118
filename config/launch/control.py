"""A socket in the data folder by which tests and drills stop, kill, freeze and start single parts.

The launcher does it, not the caller: what a caller starts would end with the caller.
"""

import contextlib
import json
import os
import select
import socket
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from config.launch.errors import LaunchError

_NAME = "control.sock"


class Controlled(Protocol):
    def act(self, what: str, name: str) -> None: ...


@contextlib.contextmanager
def _address(folder: Path) -> Iterator[str]:
    """A socket's path may have 107 bytes; by the open folder's number it is short wherever the checkout lies."""
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{number}/{_NAME}"
    finally:
        os.close(number)


class Control:
    """The launcher's side; one request at a time, because parts depend on each other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> Self:
        (self.folder / _NAME).unlink(missing_ok=True)
        self.socket = socket.socket(socket.AF_UNIX)
        with _address(self.folder) as address:
            self.socket.bind(address)
        (self.folder / _NAME).chmod(0o600)
        self.socket.listen(8)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()
        (self.folder / _NAME).unlink(missing_ok=True)

    def serve(self, system: Controlled, seconds: float) -> None:
        """Wait this long for a request and carry it out."""
        if not select.select([self.socket], [], [], seconds)[0]:
            return
        connection, _ = self.socket.accept()
        with connection, contextlib.suppress(OSError):  # a caller that went away gets no answer
            connection.settimeout(5)
            connection.sendall((json.dumps(_carry_out(system, connection.recv(4096))) + "\n").encode())


def _carry_out(system: Controlled, request: bytes) -> dict[str, Any]:
    try:
        asked = json.loads(request)
        system.act(str(asked["do"]), str(asked["part"]))
    except (ValueError, KeyError, TypeError) as error:
        return {"error": f"unknown request: {error}"}
    except LaunchError as error:
        return {"error": str(error)}
    return {"error": None}


def ask(folder: Path, what: str, part: str, seconds: float = 120) -> None:
    """The caller's side: returns when it is done."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(seconds)
        try:
            with _address(folder) as address:
                connection.connect(address)
            connection.sendall(json.dumps({"do": what, "part": part}).encode())
            answer = json.loads(connection.makefile(encoding="utf-8").readline() or '{"error": "no answer"}')
        except (FileNotFoundError, ConnectionError) as error:
            raise LaunchError(f"no system is running in {folder}.") from error
        except TimeoutError as error:
            raise LaunchError(f"{what} {part} was not done after {seconds:.0f} s.") from error
    if answer["error"]:
        raise LaunchError(answer["error"])
