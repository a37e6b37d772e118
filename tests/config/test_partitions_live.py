"""Months under a living API: one that nobody has made, old ones that go while others write, and sixty of them"""

import logging
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from django.db import connection, connections
from django.db.models import Sum

from config.data import ids, partitions
from config.data.partitions import Month
from config.events.models import Event
from config.observability import state
from tasks_app.models import Task, TaskCount
from tests.cast import Caller
from tests.config.clock import move_on
from tests.config.servers import eventually
from tests.tasks_app.test_tasks_get import where
from tests.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "direct"])
NOW = Month.of(datetime.now(UTC))


@pytest.fixture(autouse=True)
def months(transactional_db: None) -> Iterator[None]:
    before = {parent: set(partitions.existing(connection, parent)) for parent in partitions.PARENTS}
    yield
    with connection.cursor() as cursor:
        for parent, there in before.items():
            for month in set(partitions.existing(connection, parent)) - there:
                cursor.execute(f"DROP TABLE {month.table(parent)}")


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Month:
    """The month in which the clocks of this process are: the job has not run since long before."""
    return move_on(monkeypatch, NOW.plus(5))


def test_a_write_makes_the_month_that_the_job_has_not_made(
    alice: Caller, later: Month, caplog: pytest.LogCaptureFixture
) -> None:
    assert alice.get("/v1/me").status_code == 200
    assert later not in partitions.existing(connection, "task")
    with caplog.at_level(logging.ERROR):
        made = alice.post("/v1/tasks", {"title": "a"}, idempotency_key="k")
    assert made.status_code == 201, made.content
    task = made.json()
    assert Month.of(ids.instant(Task.objects.get().id)) == later
    assert {event.subject for event in Event.objects.all()} == {Task.objects.get().id}
    assert ["months were missing" in record.message for record in caplog.records].count(True) == 1
    again = alice.post("/v1/tasks", {"title": "a"}, idempotency_key="k")
    assert (again.json()["id"], again.headers["Idempotency-Replayed"]) == (task["id"], "true")
    assert alice.patch(where(task), {"status": "completed"}).status_code == 200
    assert [row["id"] for row in alice.get("/v1/tasks").json()["results"]] == [task["id"]]
    assert TaskCount.objects.aggregate(Sum("number"))["number__sum"] == 1


def test_what_a_write_makes_does_not_end_the_alarm(alice: Caller, later: Month) -> None:
    """It is the job's work to be months ahead, and somebody has to look at the job."""
    for _ in range(2):
        alice.make()
    assert partitions.existing(connection, "event")[-1] == later
    assert state._months_ahead() == 0
    checks = alice.get("/readyz", verbose="").json()["checks"]
    assert checks["partitions"] == {"status": "warning", "detail": "0 months ahead: run manage.py partitions"}


def test_many_who_miss_a_month_at_once_all_write(alice: Caller, later: Month) -> None:
    assert alice.get("/v1/me").status_code == 200
    answers = at_once(8, lambda n: alice.post("/v1/tasks", {"title": f"{n}"}).status_code)
    assert answers == [201] * 8
    assert Event.objects.count() == Task.objects.count() == 8


def test_a_bulk_that_misses_a_month_is_written_whole(alice: Caller, later: Month) -> None:
    operations = [{"op": "create", "body": {"title": f"{n}"}} for n in range(3)]
    answer = alice.post("/v1/tasks/bulk", {"operations": operations})
    assert answer.status_code == 200, answer.content
    assert Task.objects.count() == 3


def test_a_month_that_cannot_be_made_is_an_error(alice: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a clock that is centuries ahead: nothing is written."""
    assert alice.get("/v1/me").status_code == 200
    move_on(monkeypatch, NOW.plus(12 * 100))
    assert alice.post("/v1/tasks", {"title": "a"}).status_code == 500
    assert not Task.objects.exists()


def _old_task(owner: str, month: Month) -> None:
    at = month.start + timedelta(days=3)
    Task.objects.create(id=ids.uuid7(at), title=f"{month.start:%Y-%m}", owner_id=owner, created_at=at, updated_at=at)


def test_old_months_go_while_others_write_and_read(alice: Caller, limits: Callable[..., None]) -> None:
    limits(user=(100_000, 60))
    assert alice.get("/v1/me").status_code == 200
    old = [NOW.plus(-4), NOW.plus(-3)]
    for month in old:
        partitions.create(connection, "task", month)
        _old_task(alice.id, month)
    answers: list[int] = []
    over = threading.Event()

    def write(number: int) -> None:
        try:
            while not over.is_set():
                made = alice.post("/v1/tasks", {"title": f"{number}"})
                answers.extend([made.status_code, alice.get("/v1/tasks").status_code])
        finally:
            connections.close_all()

    gone: list[str] = []

    def drop() -> None:
        try:
            gone.extend(partitions.drop_before(connections["direct"], NOW.plus(-2)))
        finally:
            connections.close_all()

    writers = [threading.Thread(target=write, args=(number,)) for number in range(3)]
    dropping = threading.Thread(target=drop)
    with psycopg.connect(**connections["default"].get_connection_params() | {"autocommit": False}) as reader:
        reader.execute("SELECT count(*) FROM task")  # the detachment has to wait for it, and nobody for the detachment
        for thread in [*writers, dropping]:
            thread.start()
        eventually(_is_detaching, "the first month is half detached")
        before = len(answers)
        eventually(lambda: len(answers) > before + 30, "others go on", within=60)
        reader.rollback()
    dropping.join(60)
    over.set()
    for thread in writers:
        thread.join(60)
    assert gone == [month.table("task") for month in old]
    assert set(answers) == {200, 201}
    assert Task.objects.count() == answers.count(201)
    assert TaskCount.objects.aggregate(Sum("number"))["number__sum"] == answers.count(201)


def _is_detaching() -> bool:
    return any(pending for _, _, pending in partitions._tables(connection, "task"))


def test_sixty_months_are_one_list(alice: Caller) -> None:
    """What it costs to read them is held by tests/tasks_app/test_tasks_plans.py."""
    alice.make(title="new")
    partitions.ensure(connection, since=NOW.plus(-59).start)
    assert len(partitions.existing(connection, "task")) >= 60
    for back in range(1, 60):
        _old_task(alice.id, NOW.plus(-back))
    titles = ["new", *(f"{NOW.plus(-back).start:%Y-%m}" for back in range(1, 60))]
    assert [row["title"] for row in alice.pages("/v1/tasks", page_size=7)] == titles
    assert [row["title"] for row in alice.pages("/v1/tasks", page_size=9, sort="created_at")] == titles[::-1]
    since = f"{NOW.plus(-12).start:%Y-%m-%dT%H:%M:%SZ}"
    until = f"{NOW.plus(-10).start:%Y-%m-%dT%H:%M:%SZ}"
    window = {"created_after": since, "created_before": until}
    assert [row["title"] for row in alice.get("/v1/tasks", **window).json()["results"]] == titles[11:13]
    assert alice.get("/v1/tasks/counts").json()["pending"] == 60
    gone = [NOW.plus(-back).table(parent) for parent in partitions.PARENTS for back in range(59, 20, -1)]
    assert list(partitions.drop_before(connections["direct"], NOW.plus(-20))) == gone
    assert [row["title"] for row in alice.pages("/v1/tasks", page_size=50)] == titles[:21]
    assert alice.get("/v1/tasks/counts").json()["pending"] == 21
