"""A file system without room: the export fails with a reason, and nothing half-written is left."""

import errno
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from exports.services import files, job


def test_no_room_is_told_as_no_room() -> None:
    assert job._reason(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))) == (
        "There is no room left where exports are stored."
    )


_WRITE = """
import sys, uuid, resource, signal
import tests.environment, django
django.setup()
from django.conf import settings
from exports.services import files
settings.EXPORT_DIR = sys.argv[1]
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    with files.written(uuid.UUID(int=1), 1) as file:
        file.write(b"x" * 5000)
except OSError as error:
    print("refused", error.errno)
"""


def test_a_write_that_the_file_system_refuses_leaves_no_file(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _WRITE, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": "."})
    assert done.stdout.strip() == f"refused {errno.EFBIG}"
    assert list(tmp_path.iterdir()) == []
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 1000


def test_an_interrupted_write_leaves_no_file(tmp_path: Path, settings: Any) -> None:
    settings.EXPORT_DIR = str(tmp_path)
    writing = files.written(UUID(int=1), 1)
    writing.__enter__().write(b"half")
    with pytest.raises(KeyboardInterrupt):
        writing.gen.throw(KeyboardInterrupt)
    assert list(tmp_path.iterdir()) == []
