"""manage.py import_tasks: what is in after it, after a second one, after one that was killed or refused"""

import io
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.db.models import Sum

from accounts.models import User
from config.data import ids, partitions
from config.data.partitions import PARENTS, Month
from config.events import messages, subscriptions
from config.events.models import Event
from tasks_app.importing import run
from tasks_app.models import ImportedRow, Task, TaskCount
from tasks_app.services import trash
from tests.cast import Caller
from tests.config.clock import move_on
from tests.config.servers import eventually
from tests.tasks_app.test_tasks_get import where

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "direct"])
ROOT = Path(__file__).resolve().parents[2]
OLD = datetime(2012, 1, 31, 23, 59, 59, 999_000, tzinfo=UTC)  # months that no other test has
Rows = list[dict[str, Any]]


@pytest.fixture(autouse=True)
def months(transactional_db: None) -> Iterator[None]:
    before = {parent: set(partitions.existing(connection, parent)) for parent in PARENTS}
    yield
    with connection.cursor() as cursor:
        for parent, there in before.items():
            for month in set(partitions.existing(connection, parent)) - there:
                cursor.execute(f"DROP TABLE {month.table(parent)}")


@pytest.fixture(autouse=True)
def people(months: None) -> None:
    User.objects.bulk_create(User(id=f"{name}-id", username=name) for name in ("anna", "ben"))


def write(folder: Path, rows: list[Any], name: str = "tasks.ndjson") -> Path:
    path = folder / name
    path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows))
    return path


def bring(file: Path | str, code: int = 0, **options: Any) -> tuple[str, list[str]]:
    """What it said, and of which rows it said that they are bad."""
    out, err = io.StringIO(), io.StringIO()
    ended = 0
    try:
        call_command("import_tasks", str(file), stdout=out, stderr=err, **options)
    except CommandError as error:
        ended = error.returncode
    assert ended == code
    return out.getvalue().strip(), [line for line in err.getvalue().splitlines() if line.startswith("line ")]


def everything() -> list[Any]:
    return [
        sorted(Task.objects.values_list()),
        sorted(Event.objects.values_list("id", "type", "subject", "at", "version")),
        sorted(TaskCount.objects.values_list()),
        partitions.existing(connection, "task"),
    ]


def some(count: int, **more: Any) -> Rows:
    """One a day from OLD on."""
    return [
        {"title": f"{n}", "owner": "anna", "created_at": (OLD + timedelta(days=n)).isoformat(), **more}
        for n in range(count)
    ]


def test_an_imported_task_is_a_task_like_any_other(alice: Caller, tmp_path: Path) -> None:
    assert alice.get("/v1/me").status_code == 200
    row = {
        "title": " Büro\r\n",
        "description": "a\tb",
        "status": "completed",
        "priority": "high",
        "due_at": "2012-02-03T04:05:06.789+01:00",
        "labels": ["z", "a"],
        "assignee": "ben-id",
        "owner": "alice",
        "created_at": OLD.isoformat(),
        "completed_at": "2012-03-01T00:00:00Z",
    }
    assert bring(write(tmp_path, [row])) == ("1 rows: 1 imported, 0 there already, 0 bad", [])
    (task,) = alice.get("/v1/tasks").json()["results"]
    assert task == {
        **{name: row[name] for name in ("title", "description", "status", "priority", "labels", "assignee")},
        "id": task["id"],
        "owner": alice.id,
        "version": 1,
        "created_at": "2012-01-31T23:59:59.999Z",
        "updated_at": "2012-03-01T00:00:00.000Z",
        "completed_at": "2012-03-01T00:00:00.000Z",
        "due_at": "2012-02-03T03:05:06.789Z",
        "deleted_at": None,
    }
    told = alice.get(f"{where(task)}/history").json()["results"]
    assert [(entry["type"], entry["at"]) for entry in told] == [
        ("task.created", task["created_at"]),
        ("task.completed", task["completed_at"]),
    ]
    assert told[0]["request_id"].startswith("import-")
    # The feed waits for every transaction of the server that began before.
    entries = eventually(lambda: alice.get("/v1/changes").json()["results"], "the import is in the change feed")
    assert {entry["id"] for entry in entries} == {task["id"]}
    assert alice.get("/v1/tasks/counts").json()["completed"] == 1
    assert alice.patch(where(task), {"status": "pending"}, if_match='"1"').status_code == 200


def test_imports_are_counted_and_nobody_is_told(tmp_path: Path) -> None:
    """A million mails about tasks of last year are no news; the daily numbers of last year are."""
    bring(write(tmp_path, some(2, assignee="ben-id", status="completed")))
    for event in Event.objects.all():
        row = messages.body({**event.__dict__, "traceparent": None})
        assert [found.name for found in subscriptions.of(row)] == ["analytics"], event
        assert row["at"].startswith("2012-0")
    assert Event.objects.count() == 4
    assert TaskCount.objects.aggregate(Sum("number"))["number__sum"] == 2


def test_a_second_run_changes_nothing(tmp_path: Path) -> None:
    """With an id, with a time, with neither; equal rows are as many tasks as there are rows."""
    rows = [
        {"title": "a", "owner": "anna", "id": str(ids.uuid7(OLD))},
        *some(1) * 2,
        *[{"title": "c", "owner": "ben"}] * 3,
        {"title": "d", "owner": "ben-id", "status": "completed", "completed_at": OLD.isoformat()},
    ]
    file = write(tmp_path, rows)
    assert bring(file)[0] == "7 rows: 7 imported, 0 there already, 0 bad"
    assert sorted(Task.objects.values_list("title", "owner_id")) == [
        *[("0", "anna-id")] * 2,
        ("a", "anna-id"),
        *[("c", "ben-id")] * 3,
        ("d", "ben-id"),
    ]
    assert ImportedRow.objects.count() == 3
    before = everything()
    for more in ({}, {"atomic": True}, {"dry_run": True}):
        assert bring(file, **more)[0].endswith("7 there already, 0 bad")
    write(tmp_path, list(reversed(rows)))
    assert bring(file)[0] == "7 rows: 0 imported, 7 there already, 0 bad"
    assert everything() == before


def test_what_happened_to_a_task_since_is_not_taken_back(alice: Caller, tmp_path: Path) -> None:
    """Changed, in the trash, gone for good."""
    assert alice.get("/v1/me").status_code == 200
    file = write(tmp_path, some(3, owner="alice"))
    bring(file)
    changed, trashed, gone = alice.pages("/v1/tasks", sort="created_at")
    assert alice.patch(where(changed), {"title": "new"}).status_code == 200
    for task in (trashed, gone):
        assert alice.delete(where(task)).status_code == 204
    assert alice.delete(f"/v1/trash/{gone['id']}").status_code == 204
    assert bring(file)[0] == "3 rows: 0 imported, 3 there already, 0 bad"
    assert [task["title"] for task in alice.pages("/v1/tasks")] == ["new"]
    assert [task["id"] for task in alice.pages("/v1/trash")] == [trashed["id"]]
    assert trash.purge_old() == 0


def test_bad_rows_are_told_with_their_lines_and_the_rest_goes_in(tmp_path: Path) -> None:
    User.objects.create(id="ben-2", username="ben")
    identifier = str(ids.uuid7(OLD))
    rows = [
        {"title": "a", "owner": "anna", "id": identifier},
        {"title": "", "owner": "anna", "colour": "red"},
        "",
        {"title": "b", "owner": "zoe"},
        {"title": "c", "owner": "ben"},
        "{",
        {"title": "d", "owner": "anna", "id": identifier},
        {"title": "e", "owner": "anna", "assignee": "ben"},
        {"title": "f", "owner": "ben-2"},
    ]
    said, bad = bring(write(tmp_path, rows), code=1)
    assert said == "8 rows: 2 imported, 0 there already, 6 bad"
    assert [line.partition(": ")[0] for line in bad] == [f"line {number}" for number in (2, 4, 5, 6, 7, 8)]
    assert "title: " in bad[0]
    assert "colour: There is no such field." in bad[0]
    assert "owner: There is no user" in bad[1]
    assert bad[2] == "line 5: owner: 2 users have this name: give the id."
    assert bad[4] == "line 7: id: It stands on line 1 too."
    assert "assignee: There is no user" in bad[5]
    assert sorted(Task.objects.values_list("title", flat=True)) == ["a", "f"]


@pytest.mark.parametrize("options", [{"atomic": True}, {"dry_run": True}, {"atomic": True, "dry_run": True}])
def test_with_atomic_one_bad_row_leaves_nothing_and_a_dry_run_never_leaves_anything(
    tmp_path: Path, options: dict[str, bool]
) -> None:
    before = everything()
    said, bad = bring(write(tmp_path, [*some(2), {"title": "b", "owner": "zoe"}]), code=1, **options)
    assert said.endswith("0 there already, 1 bad")
    assert bad == ["line 3: owner: There is no user with this id or name; users are known from their first call on."]
    if "dry_run" in options:
        said, _ = bring(write(tmp_path, some(2)), **options)
        assert said == "2 rows: 2 would be imported, 0 there already, 0 bad"
    assert everything() == before


def test_with_atomic_a_row_that_goes_bad_on_the_second_way_takes_all_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "BATCH", 2)
    through = run.Run.through

    def with_a_leaver(self: run.Run, rows: Any) -> run.Tally:
        User.objects.filter(id="ben-id").update(is_active=not self._write)
        return through(self, rows)

    monkeypatch.setattr(run.Run, "through", with_a_leaver)
    said, bad = bring(write(tmp_path, [*some(3), *some(1, title="x", assignee="ben-id")]), code=1, atomic=True)
    assert (said, len(bad)) == ("4 rows: 0 imported, 0 there already, 1 bad", 1)
    assert not Task.objects.exists()
    assert not Event.objects.exists()


def test_the_standard_input_is_a_file_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "BATCH", 2)
    csv = b'title,owner,labels\r\n"a\nb",anna,"[""x""]"\r\nc,anna,\r\nd,ben,\r\n'
    for options in ({"atomic": True}, {}):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(csv))))
        bring("-", **options)
    assert sorted(Task.objects.values_list("title", "labels")) == [("a\nb", ["x"]), ("c", []), ("d", [])]


@pytest.mark.parametrize("content", [None, "title,owner,version\na,anna,1\n", ""])
def test_what_cannot_be_begun_is_2(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "tasks.csv"
    if content is not None:
        file.write_text(content)
    bring(file, code=2)
    assert not Task.objects.exists()


def test_a_database_that_is_away_is_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connections["direct"].settings_dict, "PORT", "1")
    connections["direct"].close()
    bring(write(tmp_path, some(1)), code=2)


def test_months_of_old_tasks_are_made_and_only_those(tmp_path: Path) -> None:
    before = set(partitions.existing(connection, "task"))
    bring(write(tmp_path, [*some(2), {"title": "x", "owner": "ben", "created_at": "1970-01-01T00:00:00Z"}]))
    new = set(partitions.existing(connection, "task")) - before
    assert sorted(new) == [(1970, 1), (2012, 1), (2012, 2)]
    rows = Task.objects.values_list("id", "created_at")
    assert all(ids.instant(identifier) == created for identifier, created in rows)


def test_the_month_of_now_is_made_too_when_the_job_has_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    later = move_on(monkeypatch, Month.of(datetime.now(UTC)).plus(5))
    bring(write(tmp_path, [{"title": "a", "owner": "anna"}]))
    assert Month.of(ids.instant(Task.objects.get().id)) == Month.of(ids.instant(Event.objects.get().id)) == later


def _process(*arguments: str, **more: Any) -> "subprocess.Popen[bytes]":
    name = str(connection.settings_dict["NAME"])
    url = os.environ["DATABASE_URL"].rpartition("/")[0] + f"/{name}"
    environment = {**os.environ, "DATABASE_URL": url, "DATABASE_DIRECT_URL": url}
    return subprocess.Popen(
        [sys.executable, "manage.py", "import_tasks", *arguments], cwd=ROOT, env=environment, **more
    )


@pytest.mark.process
def test_a_killed_import_that_is_run_again_ends_with_each_task_once(tmp_path: Path) -> None:
    lines = [json.dumps(row).encode() + b"\n" for row in [*some(1_500), *[{"title": "x", "owner": "ben"}] * 2]]
    killed = _process("-", stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert killed.stdin
    killed.stdin.write(b"".join(reversed(lines)))
    killed.stdin.flush()
    eventually(lambda: Task.objects.count() == run.BATCH, "the first batch is in, and the next one waits for its rows")
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    file = tmp_path / "tasks"
    file.write_bytes(b"".join(reversed(lines)))
    assert bring(file)[0] == "1,502 rows: 502 imported, 1,000 there already, 0 bad"
    assert Counter(Event.objects.values_list("subject", flat=True)) == Counter(
        Task.objects.values_list("id", flat=True)
    )
    assert Task.objects.count() == TaskCount.objects.aggregate(Sum("number"))["number__sum"] == 1_502


@pytest.mark.process
def test_nobody_reading_the_report_is_no_reason_to_end(tmp_path: Path) -> None:
    rows = [*[{"title": "", "owner": "anna"}] * 1_200, *some(3)]
    read, closed = os.pipe()
    os.close(read)
    assert _process(str(write(tmp_path, rows)), stdout=closed, stderr=closed).wait(60) == 1
    os.close(closed)
    assert Task.objects.count() == 3
