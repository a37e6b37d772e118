"""What is left of exports is removed in time, and nothing else."""

import os
import time
from pathlib import Path

import pytest

from exports.models import Export, Status
from exports.services import files, retention
from tests.cast import Caller
from tests.exports.test_exports import content, finished
from tests.exports.test_exports_job import identifier


def aged(file: Path) -> Path:
    old = time.time() - retention.ORPHANED - 60
    os.utime(file, (old, old))
    return file


@pytest.mark.parametrize("left", ["{id}.1.partial", "{id}.2", "01890000-0000-7000-8000-000000000000.1"])
def test_a_file_that_no_export_speaks_of_is_removed(alice: Caller, export_dir: Path, left: str) -> None:
    path = finished(alice)
    Export.objects.update(attempt=3)
    files.path(identifier(path), 1).rename(aged(files.path(identifier(path), 1)).with_name(f"{identifier(path)}.3"))
    orphan = export_dir / left.format(id=identifier(path))
    orphan.write_bytes(b"x")
    assert retention.sweep() == 0
    aged(orphan)
    assert retention.sweep() == 1
    assert content(alice.get(f"{path}/file"))


def test_other_files_are_not_ours(alice: Caller, export_dir: Path) -> None:
    finished(alice)
    for name in ("README.txt", "lost+found", "a.b.c"):
        aged_file = export_dir / name
        aged_file.write_bytes(b"x")
        aged(aged_file)
    assert retention.sweep() == 0


@pytest.mark.parametrize("status", [Status.EXPIRED, Status.FAILED, Status.CANCELED])
def test_a_file_of_an_export_that_has_none_is_removed(alice: Caller, export_dir: Path, status: Status) -> None:
    path = finished(alice)
    Export.objects.update(status=status)
    aged(files.path(identifier(path), 1))
    assert retention.sweep() == 1
    assert list(export_dir.iterdir()) == []
