"""The real worker, but for a pause in the middle of each CSV: `celery -A tests.exports.slow_worker worker`.

A chunk is one row; the file SLOW_TOLD says that the second one has been reached, and the worker goes on when the file
SLOW_GO is there.
"""

import os
import time
from collections.abc import Sequence
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from config.celery import app  # noqa: E402
from exports.services import formats, job  # noqa: E402

__all__ = ["app"]

_write = formats.csv_rows
_told = 0


def _slowly(rows: Sequence[str]) -> bytes:
    global _told  # noqa: PLW0603 (one export a process)
    _told += 1
    if _told == 2:
        Path(os.environ["SLOW_TOLD"]).touch()
        while not Path(os.environ["SLOW_GO"]).exists():
            time.sleep(0.02)
    return _write(rows)


formats.csv_rows = _slowly
job.CHUNK = 1
