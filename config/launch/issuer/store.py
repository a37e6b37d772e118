"""What the issuer must remember over a restart, in one JSON file: keys, sessions, changes to users, events."""

import contextlib
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class StoreError(Exception):
    """The state file cannot be read; the message says what to do."""


class Store:
    """Read at the start, written whole at each change: a new file renamed over the old one, so that a kill at
    any moment leaves either. Readable by its owner only, since private keys are in it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.RLock()
        self._data = self._read()

    @contextlib.contextmanager
    def reading(self) -> Iterator[dict[str, Any]]:
        with self._lock:
            yield self._data

    @contextlib.contextmanager
    def changing(self) -> Iterator[dict[str, Any]]:
        """What the block changes is on disk before anybody else reads it. A block that raises must not have
        changed anything."""
        with self._lock:
            yield self._data
            self._write()

    def _read(self) -> dict[str, Any]:
        empty: dict[str, Any] = {"keys": {}, "users": {}, "sessions": {}, "admin_events": [], "user_events": []}
        try:
            return {**empty, **json.loads(self._path.read_text(encoding="utf-8"))}
        except FileNotFoundError:
            return empty
        except ValueError as error:
            raise StoreError(f"{self._path} is damaged: remove it and start again (logins are lost).") from error

    def _write(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        new = self._path.with_suffix(".new")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(self._data, file)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._path)
