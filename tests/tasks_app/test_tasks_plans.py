"""What the calls read of two million tasks in sixty months: rows and blocks, never times"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from django.db import connection, transaction
from pytest_django import DjangoDbBlocker

from tests.accounts.keycloak import ALICE, BOB
from tests.cast import Answer, Caller
from tests.tasks_app import two_million
from tests.tasks_app.two_million import HERS, MONTHS, NOW

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(900)]  # the first one makes the tasks
PAGE = 51 * 5 // 4  # rows that a page of fifty reads: it shows nothing of the trash, and needs one to know of more
MERGED = PAGE + len(MONTHS)  # an order that goes across the months looks at one more row of each
ENDS = 2 * len(MONTHS)  # what is planned each time has the planner look at the first and the last id of each month
FILLED = {month.table("task") for month in MONTHS}
_READ = """
SELECT relname, seq_scan, coalesce(idx_scan, 0), seq_tup_read + coalesce(idx_tup_fetch, 0)
FROM pg_stat_xact_user_tables WHERE relname LIKE 'task\\_2%'
"""

_OPENED = """
SELECT count(*) FROM pg_locks JOIN pg_class ON pg_class.oid = relation
WHERE pid = pg_backend_pid() AND relkind = 'i' AND relname LIKE 'task\\_2%'
"""


@pytest.fixture(scope="module")
def many(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[dict[int, Any]]:
    """The tasks; and by number of months what the newest page had cost when there were so many."""
    with django_db_blocker.unblock(), two_million.tasks(_newest_page) as costs:
        yield costs


class Cost(NamedTuple):
    """Of one call: the filled months that were looked into, those read from end to end, and the rows looked at."""

    months: set[str]
    scanned: set[str]
    rows: int


def _newest_page() -> tuple[int, int]:
    """The blocks that it reads and the indexes that it opens, once it is planned."""
    statement = f"SELECT id FROM task_page('-created_at', 'owner', 51, _owner => '{ALICE}')"
    with connection.cursor() as cursor:
        cursor.execute(statement)
        with transaction.atomic():
            cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}")
            plan = cursor.fetchone()[0][0]["Plan"]
            cursor.execute(_OPENED)  # each index that was opened stays locked until the transaction ends
            opened = cursor.fetchone()[0]
    assert plan["Actual Rows"] == 51
    return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"], opened


def _counters() -> dict[str, tuple[int, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(_READ)
        return {name: tuple(numbers) for name, *numbers in cursor.fetchall()}


def call(caller: Caller, path: str, **query: Any) -> tuple[Cost, Answer]:
    before = _counters()
    answer = caller.get(path, **query)
    assert answer.status_code == 200, answer.content
    grown = {
        name: [now - then for now, then in zip(numbers, before.get(name, (0, 0, 0)), strict=True)]
        for name, numbers in _counters().items()
        if name in FILLED
    }
    return Cost(
        months={name for name, (sequential, index, _) in grown.items() if sequential or index},
        scanned={name for name, (sequential, _, _) in grown.items() if sequential},
        rows=sum(rows for _, _, rows in grown.values()),
    ), answer


def list_(caller: Caller, path: str) -> tuple[Cost, list[Any]]:
    """The dearer one of the first two pages, and the rows of both."""
    cost, answer = call(caller, path)
    rows, cursor = answer.json()["results"], answer.json()["next_cursor"]
    if cursor is not None:
        second, answer = call(caller, f"{path}&cursor={cursor}")
        rows += answer.json()["results"]
        cost = Cost(cost.months | second.months, cost.scanned | second.scanned, max(cost.rows, second.rows))
    return cost, rows


_THEN, _LATER = (f"{NOW.plus(-back).start:%Y-%m-%dT%H:%M:%SZ}" for back in (20, 18))
_DUE = f"due_after={_THEN}&due_before={_LATER}"
_IN_TWO_MONTHS = HERS // len(MONTHS) * 2  # what is found without an order is gathered and sorted
LISTS = {
    # the rows that a page looks at, at most
    "": PAGE,
    "sort=created_at": MERGED,
    "sort=due_at": MERGED,
    "sort=-due_at": MERGED,
    "sort=-updated_at": MERGED,
    "status=pending": PAGE,
    "status=completed": PAGE,
    "status=pending,in-progress": PAGE,
    "status=pending,completed": PAGE,
    "status=pending&priority=high": PAGE * 7,
    "priority=urgent": PAGE * 20,
    "priority=urgent,high&sort=due_at": MERGED * 7,
    "assignee=none": PAGE,
    "assignee=me": PAGE,
    "assignee=me&sort=due_at": HERS // 20,  # as many as there are: nothing orders them
    "assignee=me&sort=-updated_at": HERS // 20,
    f"assignee={BOB}": ENDS + _IN_TWO_MONTHS // 20,
    "assignee=none&sort=-updated_at": MERGED,
    "label=work": ENDS + _IN_TWO_MONTHS // 4,
    "label=rare": ENDS + HERS // 5_000 * 2,
    "label=rare&sort=-updated_at": ENDS + HERS // 5_000 * 2,
    "label=nonesuch": ENDS,
    "label=work&label=rare": ENDS,
    "q=report": ENDS + _IN_TWO_MONTHS,
    "q=invoice%20berlin": ENDS + HERS // 400,
    "q=invoice&status=pending": ENDS + _IN_TWO_MONTHS // 15,
    "q=nonesuch": ENDS,
    "q=-report": ENDS + _IN_TWO_MONTHS // 15,
    "q=berlin&sort=due_at": ENDS + HERS // 400 * 5 // 4,
    "q=invoice&sort=-due_at": ENDS + HERS // 15 * 5 // 4,
    f"created_after={_THEN}&created_before={_LATER}": PAGE,
    f"{_DUE}&sort=due_at": MERGED,
    f"{_DUE}&sort=-due_at": MERGED,
    f"updated_after={_LATER}&sort=-updated_at": MERGED,
}


@pytest.mark.parametrize("query", LISTS)
def test_a_page_of_two_hundred_thousand_tasks_reads_little_more_than_it_shows(
    many: object, alice: Caller, query: str
) -> None:
    cost, rows = list_(alice, f"/v1/tasks?{query}")
    assert len(rows) > 10 or "nonesuch" in query or "rare" in query
    assert cost.scanned == set()
    assert cost.rows <= LISTS[query]


@pytest.mark.parametrize("query", LISTS)
def test_a_list_of_a_user_without_tasks_reads_nothing(many: object, vera: Caller, query: str) -> None:
    cost, rows = list_(vera, f"/v1/tasks?{query}")
    assert (rows, cost.scanned) == ([], set())
    assert cost.rows <= ENDS


def test_the_trash_reads_a_page_and_a_row_of_each_month(many: object, alice: Caller) -> None:
    cost, rows = list_(alice, "/v1/trash?")
    assert len(rows) == 100
    assert (cost.rows <= MERGED, cost.scanned) == (True, set())


@pytest.mark.parametrize("query", [query for query in LISTS if query.startswith("sort=")])
def test_the_list_of_everybodys_tasks_reads_a_page_in_every_order(many: object, ada: Caller, query: str) -> None:
    cost, rows = list_(ada, f"/v1/tasks?owner=any&{query}")
    assert (len(rows), cost.rows <= LISTS[query], cost.scanned) == (100, True, set())


def test_the_newest_of_everybodys_tasks_are_a_page(many: object, ada: Caller) -> None:
    cost, _ = list_(ada, "/v1/tasks?owner=any")
    assert (cost.rows <= PAGE, cost.scanned) == (True, set())


def test_the_newest_page_costs_the_same_in_sixty_months_as_in_three(
    many: dict[int, tuple[int, int]], alice: Caller
) -> None:
    (blocks, opened), (few_blocks, few_opened) = many[60], many[3]
    assert (blocks <= few_blocks, opened <= few_opened) == (True, True), many
    cost, _ = call(alice, "/v1/tasks")
    assert cost.months == {MONTHS[0].table("task")}
    cost, _ = call(alice, "/v1/tasks", created_before=_LATER)
    assert cost.months == {NOW.plus(-19).table("task")}, "nor do later pages"


def test_a_search_looks_into_as_many_months_as_its_page_needs(many: object, alice: Caller) -> None:
    cost, answer = call(alice, "/v1/tasks?q=invoice&priority=high")  # 32 of her tasks in each month
    assert len(answer.json()["results"]) == 50
    assert cost.months == {MONTHS[0].table("task"), MONTHS[1].table("task")}


def test_a_time_window_looks_into_its_months_only(many: object, alice: Caller) -> None:
    for sort in ("created_at", "due_at"):
        cost, _ = call(alice, "/v1/tasks", created_after=_THEN, created_before=_LATER, sort=sort)
        assert cost.months <= {NOW.plus(-20).table("task"), NOW.plus(-19).table("task")}


def test_a_get_looks_into_one_month(many: object, alice: Caller) -> None:
    (row,) = alice.get("/v1/tasks", created_before=_LATER, page_size=1).json()["results"]
    cost, answer = call(alice, f"/v1/tasks/{row['id']}")
    assert answer.json() == row
    assert cost == ({NOW.plus(-19).table("task")}, set(), 1)
