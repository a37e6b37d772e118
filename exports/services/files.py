"""The files of exports in EXPORT_DIR: whole or not there at all.

Each try at an export has a file of its own, and the row names the try that counts: a worker that stood still and
went on after another one had taken over can neither replace nor damage that one's file.
"""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO
from uuid import UUID

from django.conf import settings


def path(export: UUID, attempt: int) -> Path:
    return Path(settings.EXPORT_DIR) / f"{export}.{attempt}"


@contextlib.contextmanager
def written(export: UUID, attempt: int) -> Iterator[IO[bytes]]:
    """A file that gets its name when everything is on the disk, and is removed when anything goes wrong."""
    final = path(export, attempt)
    final.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    partial = final.with_name(f"{final.name}.partial")
    try:
        with partial.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(final)
        _sync(final.parent)
    except BaseException:
        partial.unlink(missing_ok=True)
        final.unlink(missing_ok=True)
        raise


def _sync(folder: Path) -> None:
    """Without it a name that was just given may be gone after a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def discard(export: UUID) -> None:
    """All files of an export, with what killed workers have left of them."""
    for leftover in Path(settings.EXPORT_DIR).glob(f"{export}.*"):
        leftover.unlink(missing_ok=True)


def discard_try(export: UUID, attempt: int) -> None:
    path(export, attempt).unlink(missing_ok=True)


def untouched(seconds: float) -> Iterator[tuple[UUID, int, Path]]:
    """Export, try and file of everything that nobody has written to for so long."""
    limit = time.time() - seconds
    for file in Path(settings.EXPORT_DIR).glob("*.*"):
        export, _, attempt = file.name.removesuffix(".partial").partition(".")
        with contextlib.suppress(ValueError, FileNotFoundError):  # not ours; removed meanwhile
            if file.stat().st_mtime < limit:
                yield UUID(export), int(attempt), file
