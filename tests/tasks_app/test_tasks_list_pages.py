"""GET /v1/tasks: pages by keyset, in every sort, while tasks come and go"""

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from config.data import ids
from tasks_app.models import Task
from tests.cast import Caller, assert_problem

pytestmark = pytest.mark.django_db
URL = "/v1/tasks"
SORTS = ["-created_at", "created_at", "due_at", "-due_at", "-updated_at"]
AT = datetime.now(UTC).replace(microsecond=0)  # a new database has no months of the past
Key = Callable[[Task], Any]
NEVER = datetime.max.replace(tzinfo=UTC)


def fill(owner: str, count: int, *, instants: int) -> list[Task]:
    """Tasks of few instants, so that most of them tie in every sort; some are never due."""
    chance = random.Random(count)
    rows = []
    for number in range(count):
        created, updated = (AT + timedelta(seconds=chance.randrange(instants)) for _ in range(2))
        due = chance.choice([None, *(AT + timedelta(days=n) for n in range(instants))])
        rows.append(
            Task(
                id=ids.uuid7(created), title=f"{number}", owner_id=owner,
                created_at=created, updated_at=updated, due_at=due,
            )
        )  # fmt: skip
    return Task.objects.bulk_create(rows)


def order(sort: str, rows: list[Task]) -> list[str]:
    """The ids in the order that the contract wants: ties by id in the direction of the sort, no due_at last."""
    dated = [row for row in rows if "due" not in sort or row.due_at is not None]
    keys: dict[str, Key] = {
        "created_at": lambda row: row.id,
        "due_at": lambda row: (row.due_at, row.id),
        "updated_at": lambda row: (row.updated_at, row.id),
    }
    descending = sort.startswith("-")
    known = sorted(dated, key=keys[sort.lstrip("-")], reverse=descending)
    undated = sorted((row for row in rows if row not in dated), key=lambda row: row.id, reverse=descending)
    return [str(row.id) for row in known + undated]


@pytest.mark.parametrize("size", [1, 7, 100])
@pytest.mark.parametrize("sort", SORTS)
def test_tasks_list_pages_hold_every_row_once_in_order(alice: Caller, redis: Any, sort: str, size: int) -> None:
    rows = fill(alice.id, 90, instants=3)
    seen = [row["id"] for row in alice.pages(URL, sort=sort, page_size=size)]
    assert seen == order(sort, rows)


@pytest.mark.parametrize("sort", SORTS)
def test_tasks_list_pages_of_one_instant_hold_every_row_once(alice: Caller, sort: str) -> None:
    now = datetime.now(UTC)
    rows = Task.objects.bulk_create(
        Task(id=ids.uuid7(AT), title="x", owner_id=alice.id, created_at=AT, updated_at=now, due_at=now)
        for _ in range(1000)
    )
    seen = [row["id"] for row in alice.pages(URL, sort=sort, page_size=97)]
    assert seen == order(sort, rows)


@pytest.mark.parametrize("sort", SORTS)
def test_tasks_list_pages_survive_inserts_and_deletes_between_them(alice: Caller, sort: str) -> None:
    """Every row that was there all the time comes exactly once, in order."""
    rows = fill(alice.id, 120, instants=3)
    chance = random.Random(sort)
    seen: list[str] = []
    gone: set[str] = set()
    cursor: dict[str, str] = {}
    while True:
        page = alice.get(URL, sort=sort, page_size=7, **cursor).json()
        seen += [row["id"] for row in page["results"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
        fill(alice.id, 2, instants=3)
        Task.objects.filter(id=chance.choice(rows).id).update(deleted_at=AT)
        victim = chance.choice(rows)
        Task.objects.filter(id=victim.id).delete()
    gone = {str(row.id) for row in rows} - {str(i) for i in Task.objects.alive().values_list("id", flat=True)}
    assert len(seen) == len(set(seen))
    staying = [row for row in rows if str(row.id) not in gone]
    known = {str(row.id) for row in staying}
    assert [identifier for identifier in seen if identifier in known] == order(sort, staying)


def test_tasks_list_pages_the_link_is_the_next_page(alice: Caller) -> None:
    fill(alice.id, 5, instants=2)
    first = alice.get(URL, page_size=2, sort="due_at", fields="id")
    link = first.headers["Link"]
    assert link.startswith(f"<{URL}?")
    assert link.endswith('>; rel="next"')
    target = link[1 : link.index(">")]
    query = parse_qs(urlsplit(target).query)
    assert query == {
        "page_size": ["2"], "sort": ["due_at"], "fields": ["id"], "cursor": [first.json()["next_cursor"]],
    }  # fmt: skip
    following = alice.get(target).json()
    assert len(following["results"]) == 2
    assert not {row["id"] for row in following["results"]} & {row["id"] for row in first.json()["results"]}


def test_tasks_list_pages_a_full_last_page_has_no_next_one(alice: Caller) -> None:
    fill(alice.id, 4, instants=2)
    first = alice.get(URL, page_size=2).json()
    assert alice.get(URL, page_size=2, cursor=first["next_cursor"]).json()["next_cursor"] is None
    assert alice.get(URL, page_size=4).json()["next_cursor"] is None


def test_tasks_list_pages_go_on_with_another_page_size_and_other_fields(alice: Caller) -> None:
    rows = fill(alice.id, 20, instants=2)
    first = alice.get(URL, page_size=3).json()
    rest = alice.get(URL, page_size=100, fields="id", cursor=first["next_cursor"]).json()
    assert [row["id"] for row in first["results"] + rest["results"]] == order("-created_at", rows)


@pytest.mark.parametrize(
    "changed",
    [{"sort": "created_at"}, {"status": "pending"}, {"q": "x"}, {"label": "a"}, {"owner": "me"}],
)
def test_tasks_list_pages_refuse_the_cursor_of_another_list(alice: Caller, changed: dict[str, str]) -> None:
    fill(alice.id, 5, instants=2)
    cursor = alice.get(URL, page_size=2).json()["next_cursor"]
    assert_problem(alice.get(URL, page_size=2, cursor=cursor, **changed), 400, "invalid-cursor")
    assert alice.get(URL, cursor=cursor).status_code == 200


def test_tasks_list_pages_refuse_anothers_cursor(alice: Caller, bob: Caller, ada: Caller) -> None:
    fill(alice.id, 5, instants=2)
    cursor = alice.get(URL, page_size=2).json()["next_cursor"]
    for caller in (bob, ada):
        assert_problem(caller.get(URL, cursor=cursor), 400, "invalid-cursor")
    assert_problem(alice.get("/v1/trash", cursor=cursor), 400, "invalid-cursor")


def test_tasks_list_pages_of_the_trash_hold_every_row_once(alice: Caller) -> None:
    rows = fill(alice.id, 30, instants=3)
    for row in rows:
        Task.objects.filter(id=row.id).update(deleted_at=row.updated_at)
    seen = [row["id"] for row in alice.pages("/v1/trash", page_size=7)]
    assert seen == order("-updated_at", rows)


def test_tasks_list_pages_with_the_sharpest_times(alice: Caller) -> None:
    """A cursor keeps a time to the last digit that the database has."""
    for number in range(6):
        at = AT + timedelta(microseconds=number)
        Task.objects.create(id=ids.uuid7(AT), title="x", owner_id=alice.id, created_at=AT, updated_at=at, due_at=at)
    for sort in ("due_at", "-due_at", "-updated_at"):
        assert len(alice.pages(URL, sort=sort, page_size=1)) == 6
