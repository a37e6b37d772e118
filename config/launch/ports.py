import errno
import socket
from collections.abc import Iterable

from config.launch.errors import LaunchError
from config.launch.parts import Part


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen there now. SO_REUSEADDR: connections of the last run do not count."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno in {errno.EADDRINUSE, errno.EACCES}:
                return False
            raise
        return True


def check_free(parts: Iterable[Part], hint: str) -> None:
    """Look at all ports before anything is started, so that a taken one leaves nothing behind."""
    for part in parts:
        for purpose, port in part.ports().items():
            if not is_free(port):
                what = f"{part.name} ({purpose})" if purpose else part.name
                raise LaunchError(f"port {port}, which {what} needs, is taken: stop what uses it, or {hint}.")


def answers(port: int, host: str = "127.0.0.1") -> bool:
    """Whether something accepts connections there."""
    try:
        with socket.create_connection((host, port), timeout=0.5):
            return True
    except OSError:
        return False
