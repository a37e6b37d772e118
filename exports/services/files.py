"""The files of exports in EXPORT_DIR: whole or not there at all."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO
from uuid import UUID

from django.conf import settings


def path(export: UUID) -> Path:
    return Path(settings.EXPORT_DIR) / str(export)


@contextlib.contextmanager
def written(export: UUID, attempt: int) -> Iterator[IO[bytes]]:
    """A file that gets its name when everything is on the disk, and is removed when anything goes wrong."""
    final = path(export)
    final.parent.mkdir(parents=True, exist_ok=True)
    partial = final.with_name(f"{export}.{attempt}.partial")
    try:
        with partial.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(final)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def discard(export: UUID) -> None:
    """The file and whatever killed workers have left of it."""
    for leftover in [path(export), *path(export).parent.glob(f"{export}.*.partial")]:
        leftover.unlink(missing_ok=True)
