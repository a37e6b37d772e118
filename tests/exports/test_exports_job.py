"""The job behind an export: what it does when it is not alone, not wanted any more, or not the first to try."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from celery.exceptions import SoftTimeLimitExceeded

from config.data import leases
from exports.models import Export, Status
from exports.services import formats, job
from tests.cast import Caller
from tests.exports.test_exports import ask, content, finished, rows


def identifier(path: str) -> UUID:
    return UUID(path.rpartition("/")[2])


def an_hour_ago() -> datetime:
    return datetime.now(UTC) - timedelta(hours=1)


def while_written(monkeypatch: pytest.MonkeyPatch, happens: Any) -> None:
    """`happens` before each chunk of a CSV is written."""
    write = formats.csv_rows

    def patched(chunk: Any) -> bytes:
        happens()
        return write(chunk)

    monkeypatch.setattr(formats, "csv_rows", patched)


def test_a_canceled_export_is_not_written(alice: Caller, export_dir: Path) -> None:
    path = ask(alice)
    assert alice.delete(path).status_code == 204
    job.run(identifier(path))
    assert alice.get(path).json()["status"] == "canceled"
    assert not export_dir.exists()


def test_a_cancel_while_it_is_written_leaves_nothing(
    alice: Caller, export_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        alice.make()
    monkeypatch.setattr(job, "CHUNK", 1)
    path = ask(alice)
    while_written(monkeypatch, lambda: alice.delete(path))
    job.run(identifier(path))
    assert alice.get(path).json()["status"] == "canceled"
    assert list(export_dir.iterdir()) == []


def test_a_cancel_at_the_last_moment_leaves_nothing(
    alice: Caller, export_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = ask(alice)
    write = job._write

    def cancel_after_the_last(*arguments: Any) -> int:
        count = write(*arguments)
        alice.delete(path)
        return count

    monkeypatch.setattr(job, "_write", cancel_after_the_last)
    job.run(identifier(path))
    assert alice.get(path).json()["status"] == "canceled"
    assert list(export_dir.iterdir()) == []


def test_a_second_delivery_writes_nothing(alice: Caller) -> None:
    path = finished(alice)
    before = alice.get(path).json()
    alice.make()
    job.run(identifier(path))
    assert alice.get(path).json() == before


def test_the_progress_is_told_chunk_by_chunk(alice: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        alice.make()
    monkeypatch.setattr(job, "CHUNK", 1)
    path, seen = ask(alice), []
    while_written(monkeypatch, lambda: seen.append(alice.get(path).json()))
    job.run(identifier(path))
    assert [export["rows"] for export in seen] == [0, 1, 2]
    assert [export["status"] for export in seen] == ["running"] * 3
    assert seen[0]["progress"] < seen[1]["progress"] < seen[2]["progress"] < 1
    last = alice.get(path).json()
    assert (last["status"], last["rows"], last["progress"]) == ("completed", 3, 1)
    assert last["bytes"] == len(content(alice.get(f"{path}/file")))


def test_a_dead_worker_s_export_is_taken_over_and_its_leftovers_go(alice: Caller, export_dir: Path) -> None:
    alice.make()
    path = ask(alice)
    export_dir.mkdir()
    (export_dir / f"{identifier(path)}.1.partial").write_bytes(b"half a li")
    Export.objects.update(status=Status.RUNNING, attempt=1, lease_until=an_hour_ago())
    assert job.unfinished() == [identifier(path)]
    job.run(identifier(path))
    assert len(rows(content(alice.get(f"{path}/file")))) == 1
    assert [file.name for file in export_dir.iterdir()] == [f"{identifier(path)}.2"]


def test_a_worker_that_was_overtaken_changes_nothing(
    alice: Caller, export_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stood still past its lease; another one has finished when it goes on."""
    alice.make()
    path = ask(alice)
    happened: list[bool] = []

    def overtake() -> None:
        if not happened:
            happened.append(True)
            Export.objects.update(lease_until=an_hour_ago())
            job.run(identifier(path))

    while_written(monkeypatch, overtake)
    job.run(identifier(path))
    export = Export.objects.get()
    assert (export.status, export.attempt) == (Status.COMPLETED, 2)
    assert [file.name for file in export_dir.iterdir()] == [f"{identifier(path)}.2"]


def test_an_export_in_anothers_hands_is_left_alone(alice: Caller) -> None:
    path = ask(alice)
    Export.objects.update(status=Status.RUNNING, attempt=1, lease_until=datetime.now(UTC) + leases.LEASE)
    with pytest.raises(leases.Held):
        job.run(identifier(path))
    assert job.unfinished() == []


def test_an_export_whose_message_was_lost_is_named_once_a_minute(alice: Caller) -> None:
    path = ask(alice)
    Export.objects.update(lease_until=an_hour_ago())
    assert job.unfinished() == [identifier(path)]
    assert job.unfinished() == []


def test_an_export_that_kills_every_worker_is_given_up(alice: Caller, export_dir: Path) -> None:
    path = ask(alice)
    Export.objects.update(status=Status.RUNNING, attempt=job.MOST_ATTEMPTS, lease_until=an_hour_ago())
    job.run(identifier(path))
    export = alice.get(path).json()
    assert export["status"] == "failed"
    assert "many tries" in export["error"]
    assert not export_dir.exists()


def test_an_export_that_takes_too_long_says_so(
    alice: Caller, export_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = ask(alice)

    def out_of_time() -> None:
        raise SoftTimeLimitExceeded

    while_written(monkeypatch, out_of_time)
    job.run(identifier(path))
    export = alice.get(path).json()
    assert export["status"] == "failed"
    assert "too long" in export["error"]
    assert list(export_dir.iterdir()) == []
