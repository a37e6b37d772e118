"""/v1/exports: asked for, written by a worker, downloaded by the owner and nobody else."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from config.events.models import Event
from exports.models import Export
from exports.services import job, retention
from tasks_app.representation import FIELDS
from tests.cast import Answer, Caller, assert_problem, pointers

NASTY = ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "\nx", "'quoted", "''=x", 'a "quote", a comma', "line\r\nbreak", " x "]


def ask(caller: Caller, format_: str = "csv", **filter_: Any) -> str:
    answer = caller.post("/v1/exports", {"format": format_, "filter": filter_})
    assert answer.status_code == 202, answer.content
    return str(answer.headers["Location"])


def finished(caller: Caller, format_: str = "csv", **filter_: Any) -> str:
    path = ask(caller, format_, **filter_)
    job.run(UUID(path.rpartition("/")[2]))
    return path


def content(answer: Answer) -> bytes:
    return b"".join(answer.streaming_content)


def rows(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode(), newline="")))


def test_a_request_is_a_row_and_an_event(alice: Caller) -> None:
    path = ask(alice)
    export = alice.get(path).json()
    assert (export["status"], export["progress"], export["rows"]) == ("queued", 0, 0)
    (event,) = Event.objects.filter(type="export.requested")
    assert (str(event.subject), event.owner) == (export["id"], alice.id)


def test_csv_gives_every_text_back(alice: Caller) -> None:
    tasks = [alice.make(title=text if text.strip() else "x", description=text) for text in NASTY]
    path = finished(alice)
    found = rows(content(alice.get(f"{path}/file")))
    assert list(found[0]) == list(FIELDS)
    plain = {row["id"]: row["description"].removeprefix("'") for row in found}
    assert plain == {task["id"]: task["description"] for task in tasks}
    assert not [row for row in found if row["description"].startswith(("=", "+", "-", "@", "\t", "\r", "\n"))]


def test_ndjson_is_the_api_s_own_representation(alice: Caller) -> None:
    tasks = [alice.make(title=text if text.strip() else "x", labels=["ä", "b"]) for text in NASTY]
    path = finished(alice, "ndjson")
    lines = content(alice.get(f"{path}/file")).splitlines()
    assert [json.loads(line) for line in lines] == tasks[::-1]


def test_the_filter_is_the_list_s(alice: Caller) -> None:
    alice.make(title="open")
    alice.make(title="done", status="completed", labels=["a", "b"])
    path = finished(alice, "ndjson", status="completed", label=["a", "b"])
    (line,) = content(alice.get(f"{path}/file")).splitlines()
    assert json.loads(line)["title"] == "done"


@pytest.mark.parametrize("filter_", [{"status": "done"}, {"nope": "x"}, {"status": 5}, {"page_size": "3"}])
def test_a_filter_that_the_list_would_refuse_is_refused(alice: Caller, filter_: dict[str, Any]) -> None:
    assert_problem(alice.post("/v1/exports", {"format": "csv", "filter": filter_}), 400, "invalid-body")
    assert Export.objects.count() == 0


def test_every_bad_filter_is_named_by_its_place_in_the_body(alice: Caller) -> None:
    filter_ = {"status": "done", "no/pe": "x", "priority": 5, "label": "fine"}
    answer = alice.post("/v1/exports", {"format": "csv", "filter": filter_})
    assert pointers(answer) == {
        "#/filter/status": "invalid",
        "#/filter/no~1pe": "unknown",
        "#/filter/priority": "invalid",
    }


def test_others_tasks_need_the_permission(alice: Caller, bob: Caller, ada: Caller) -> None:
    bob.make(title="his")
    assert_problem(alice.post("/v1/exports", {"format": "csv", "filter": {"owner": "any"}}), 403)
    found = rows(content(ada.get(f"{finished(ada, owner='any')}/file")))
    assert [row["title"] for row in found] == ["his"]


def test_nobody_else_knows_of_it(alice: Caller, bob: Caller, ada: Caller) -> None:
    path = finished(alice)
    for stranger in (bob, ada):
        for answer in (stranger.get(path), stranger.get(f"{path}/file"), stranger.delete(path)):
            assert_problem(answer, 404)
        assert stranger.pages("/v1/exports") == []
    assert alice.get(path).status_code == 200


def test_no_file_before_it_is_finished_and_none_after_it_expired(alice: Caller, export_dir: Path) -> None:
    path = ask(alice)
    assert_problem(alice.get(f"{path}/file"), 409)
    job.run(UUID(path.rpartition("/")[2]))
    Export.objects.update(expires_at=datetime.now(UTC) - timedelta(seconds=1))
    assert_problem(alice.get(f"{path}/file"), 410)
    assert alice.get(path).json()["status"] == "expired"
    assert retention.expire() == 1
    assert_problem(alice.get(f"{path}/file"), 410)
    assert alice.get(path).json()["status"] == "expired"
    assert list(export_dir.iterdir()) == []


def test_a_range_is_a_part(alice: Caller) -> None:
    alice.make()
    path = f"{finished(alice)}/file"
    whole = content(alice.get(path))
    for header, part in {
        "bytes=0-9": whole[:10],
        "bytes=5-": whole[5:],
        "bytes=-7": whole[-7:],
        f"bytes=3-{len(whole) * 2}": whole[3:],
    }.items():
        answer = alice.get(path, headers={"Range": header})
        assert answer.status_code == 206, header
        assert content(answer) == part
        assert answer.headers["Content-Length"] == str(len(part))
    assert_problem(alice.get(path, headers={"Range": f"bytes={len(whole)}-"}), 416)
    huge = "9" * 5000
    for ignored in ("lines=1-2", "bytes=5-3", "bytes=0-1,3-4", f"bytes={huge}-", f"bytes=-{huge}", f"bytes=0-{huge}"):
        answer = alice.get(path, headers={"Range": ignored})
        assert answer.status_code == 200, ignored
        assert content(answer) == whole


def test_a_range_of_another_file_is_the_whole(alice: Caller) -> None:
    path = f"{finished(alice)}/file"
    whole = alice.get(path)
    etag, size = whole.headers["ETag"], len(content(whole))
    for condition, length in {etag: 4, '"another"': size}.items():
        answer = alice.get(path, headers={"Range": "bytes=0-3", "If-Range": condition})
        assert len(content(answer)) == length, condition


def test_the_file_is_an_attachment_that_nobody_keeps(alice: Caller) -> None:
    answer = alice.get(f"{finished(alice)}/file")
    content(answer)
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="tasks-')
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_a_removed_export_takes_its_file_along(
    alice: Caller, export_dir: Path, django_capture_on_commit_callbacks: Any
) -> None:
    """Once the row is gone for sure: a file without a row is swept up, a row without a file is a broken promise."""
    path = finished(alice)
    with django_capture_on_commit_callbacks(execute=True):
        assert alice.delete(path).status_code == 204
        assert len(list(export_dir.iterdir())) == 1
    assert_problem(alice.get(path), 404)
    assert list(export_dir.iterdir()) == []


def test_a_cancel_is_a_write_like_any_other(alice: Caller) -> None:
    """Its token makes the next read see it on any replica."""
    for path in (ask(alice), finished(alice)):
        assert alice.delete(path).headers["Consistency-Token"]


def test_five_unfinished_exports_are_enough(alice: Caller) -> None:
    for _ in range(5):
        ask(alice)
    assert_problem(alice.post("/v1/exports", {"format": "csv"}), 409)


def test_a_repeated_request_makes_one_export(alice: Caller) -> None:
    first = alice.post("/v1/exports", {"format": "csv"}, idempotency_key="once")
    again = alice.post("/v1/exports", {"format": "csv"}, idempotency_key="once")
    assert again.content == first.content
    assert again.headers["Location"] == first.headers["Location"]
    assert again.headers["Idempotency-Replayed"] == "true"
    assert Export.objects.count() == 1


def test_a_repeated_request_for_an_export_that_was_removed_is_gone(alice: Caller) -> None:
    """A canceled one is there still, and its request has the first answer."""
    path = alice.post("/v1/exports", {"format": "csv"}, idempotency_key="once").headers["Location"]
    assert alice.delete(path, idempotency_key="cancel").status_code == 204
    assert alice.post("/v1/exports", {"format": "csv"}, idempotency_key="once").headers["Location"] == path
    assert alice.delete(path, idempotency_key="remove").status_code == 204
    assert_problem(alice.post("/v1/exports", {"format": "csv"}, idempotency_key="once"), 410, "gone")
    assert alice.delete(path, idempotency_key="remove").headers["Idempotency-Replayed"] == "true"
    assert Export.objects.count() == 0
