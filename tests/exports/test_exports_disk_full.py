"""A file system without room: the export fails with a reason, and nothing half-written is left."""

import errno
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from exports.services import files
from tests.cast import Caller, assert_problem
from tests.exports.test_exports import content, finished, rows


def _may_mount() -> bool:
    return os.geteuid() == 0 and subprocess.run(["unshare", "--mount", "true"], check=False).returncode == 0


if _may_mount():  # a real small file system; elsewhere the limited file size below stands for it

    @pytest.fixture
    def small_disk(tmp_path: Path, settings: Any) -> Iterator[Path]:
        folder = tmp_path / "disk"
        folder.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", folder], check=True)
        settings.EXPORT_DIR = str(folder)
        yield folder
        subprocess.run(["umount", folder], check=True)

    def test_a_full_disk_is_a_reason_and_leaves_no_file(alice: Caller, small_disk: Path) -> None:
        for _ in range(10):
            alice.make(description="x" * 10_000)
        path = finished(alice)
        export = alice.get(path).json()
        assert (export["status"], export["error"]) == ("failed", "There is no room left where exports are stored.")
        assert_problem(alice.get(f"{path}/file"), 409)
        assert list(small_disk.iterdir()) == []

    def test_there_is_room_again_for_the_next_one(alice: Caller, small_disk: Path) -> None:
        big = alice.make(description="x" * 10_000)
        filler = small_disk / "filler"
        filler.write_bytes(b"x" * 60_000)
        assert alice.get(finished(alice)).json()["status"] == "failed"
        filler.unlink()
        found = rows(content(alice.get(f"{finished(alice)}/file")))
        assert [row["id"] for row in found] == [big["id"]]


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
