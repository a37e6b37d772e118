"""A client that sends exactly the bytes that a test wants."""

import socket
from types import TracebackType
from typing import NamedTuple, Self


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


class Client:
    def __init__(self, port: int, seconds: float = 15) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=seconds)
        self._file = self.socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()
        self.socket.close()

    def send(self, raw: bytes) -> None:
        self.socket.sendall(raw)

    def ask(self, method: str, target: str, **headers: str) -> None:
        lines = [f"{method} {target} HTTP/1.1", "Host: 127.0.0.1", *(f"{n}: {v}" for n, v in headers.items())]
        self.send("\r\n".join([*lines, "", ""]).encode())

    def answer(self, *, with_body: bool = True) -> Answer:
        """ConnectionResetError or an EOFError when there is none."""
        status = self._line()
        assert status.startswith("HTTP/1.1 "), status  # and nothing of the answer before
        headers = {}
        while line := self._line(may_be_empty=True):
            name, _, value = line.partition(": ")
            headers[name.lower()] = value
        length = int(headers.get("content-length", 0)) if with_body else 0
        return Answer(int(status.split()[1]), headers, self._file.read(length))

    def _line(self, *, may_be_empty: bool = False) -> str:
        line = self._file.readline().decode("latin-1").rstrip("\r\n")
        if not line and not may_be_empty:
            raise EOFError
        return line

    def is_over(self) -> bool:
        """Whether the server has closed the connection (waits for it)."""
        return self._file.read(1) == b""
