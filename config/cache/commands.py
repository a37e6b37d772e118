"""What is sent to Redis."""

from collections.abc import Sequence
from hashlib import sha1
from pathlib import Path
from typing import NamedTuple

Argument = str | bytes | int | float


class Command(NamedTuple):
    words: tuple[Argument, ...]
    source: str = ""  # of the script that it names by its digest


def lua(name: str) -> str:
    """The source of functions that several scripts use."""
    return Path(__file__).with_name(f"{name}.lua").read_text(encoding="utf-8")


class Script:
    """A Lua script, sent by its digest and loaded on first use (or after a restart of Redis)."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.digest = sha1(source.encode(), usedforsecurity=False).hexdigest()

    def on(self, keys: Sequence[str], arguments: Sequence[Argument]) -> Command:
        return Command(("EVALSHA", self.digest, len(keys), *keys, *arguments), self.source)
