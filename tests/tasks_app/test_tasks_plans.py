"""How PostgreSQL answers the calls: which partitions it touches, and whether an index gives the order"""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoDbBlocker

from config.data import partitions
from config.data.partitions import Month
from tests.accounts.keycloak import ALICE
from tests.cast import Answer, Caller

pytestmark = pytest.mark.django_db
NOW = Month.of(datetime.now(UTC))
OLD = 8  # months
PER_MONTH = 8000  # of which alice has 50
FILL = """
INSERT INTO task (id, title, description, status, priority, due_at, labels, owner, version, created_at, updated_at)
SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '70008'
        || substr(md5(random()::text), 1, 15))::uuid,
       'task ' || n, '', CASE WHEN n %% 2 = 0 THEN 'pending' ELSE 'in-progress' END, 'normal',
       CASE WHEN n %% 5 = 0 THEN at END, '{}', CASE WHEN n %% 160 = 0 THEN %s ELSE 'user-' || n %% 160 END, 1, at, at
FROM generate_series(1, %s) n, LATERAL (SELECT %s::timestamptz + n * interval '5 minutes' AS at) t
"""


@pytest.fixture(scope="module")
def months_of_tasks(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Alice's and others' tasks of some months, enough of them that an index is the better way."""
    months = [NOW.plus(-back) for back in range(OLD, 0, -1)]
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        for month in months:
            partitions.create(connection, "task", month)
            cursor.execute(FILL, [ALICE, PER_MONTH, month.start])
        cursor.execute("ANALYZE task")
    yield
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        for month in months:
            cursor.execute(f"DROP TABLE {month.table('task')}")
        cursor.execute("DELETE FROM task_count")


@pytest.fixture
def old_tasks(months_of_tasks: None, alice: Caller) -> Caller:
    return alice


Plan = dict[str, Any]


def plan_of(caller: Caller, path: str, **query: Any) -> tuple[Plan, Answer]:
    """How the one statement of a call was run."""
    with CaptureQueriesContext(connection) as captured:
        answer = caller.get(path, **query)
    (statement,) = [each["sql"] for each in captured.captured_queries if '"task"' in each["sql"]]
    assert answer.status_code == 200, answer.content
    assert not re.search(r"\b(OFFSET|COUNT)\b", statement, re.IGNORECASE)
    with connection.cursor() as cursor:
        # Small tables are sorted or read whole because that is cheap there: ask whether an index could do it.
        for node in ("seqscan", "sort", "bitmapscan"):
            cursor.execute(f"SET LOCAL enable_{node} = off")
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}")
        found = cursor.fetchone()[0]
    return (json.loads(found) if isinstance(found, str) else found)[0]["Plan"], answer


def nodes(plan: Plan) -> Iterator[Plan]:
    yield plan
    for inner in plan.get("Plans", []):
        yield from nodes(inner)


def scanned(plan: Plan) -> list[str]:
    """The partitions that were really read."""
    return [node["Relation Name"] for node in nodes(plan) if "Relation Name" in node and node["Actual Loops"]]


def test_a_get_touches_one_partition(old_tasks: Caller) -> None:
    (row,) = old_tasks.get("/v1/tasks", created_before=NOW.plus(-5).start.isoformat(), page_size=1).json()["results"]
    plan, answer = plan_of(old_tasks, f"/v1/tasks/{row['id']}")
    assert answer.json() == row
    relations = [node["Relation Name"] for node in nodes(plan) if "Relation Name" in node]
    assert relations == [NOW.plus(-6).table("task")], "the others are not even planned"


def test_a_time_window_touches_its_months_only(old_tasks: Caller) -> None:
    plan, answer = plan_of(
        old_tasks,
        "/v1/tasks",
        created_after=NOW.plus(-4).start.isoformat(),
        created_before=NOW.plus(-2).start.isoformat(),
    )
    relations = {node["Relation Name"] for node in nodes(plan) if "Relation Name" in node}
    assert relations == {NOW.plus(-4).table("task"), NOW.plus(-3).table("task")}
    assert len(answer.json()["results"]) == 50


def test_the_newest_page_reads_no_older_month_than_it_needs(old_tasks: Caller) -> None:
    plan, answer = plan_of(old_tasks, "/v1/tasks", page_size=20)
    assert len(answer.json()["results"]) == 20
    read = [table for table in scanned(plan) if table <= NOW.plus(-1).table("task")]
    assert read == [NOW.plus(-1).table("task")]


def test_a_late_page_reads_no_newer_month(old_tasks: Caller) -> None:
    cursor = None
    for _ in range(6):
        page = old_tasks.get("/v1/tasks", page_size=20, **({"cursor": cursor} if cursor else {})).json()
        cursor = page["next_cursor"]
    plan, _ = plan_of(old_tasks, "/v1/tasks", page_size=20, cursor=cursor)
    assert set(scanned(plan)) == {NOW.plus(-3).table("task")}
    rows = sum(node["Actual Rows"] * node["Actual Loops"] for node in nodes(plan) if "Relation Name" in node)
    removed = sum(node.get("Rows Removed by Filter", 0) for node in nodes(plan))
    assert (rows, removed) == (21, 0), "the rows before the cursor are not read again"


@pytest.mark.parametrize("sort", ["-created_at", "created_at", "due_at", "-due_at", "-updated_at"])
@pytest.mark.parametrize("after", [False, True])
def test_an_index_gives_the_order_of_every_sort(old_tasks: Caller, sort: str, after: bool) -> None:
    cursor = old_tasks.get("/v1/tasks", sort=sort).json()["next_cursor"]
    plan, _ = plan_of(old_tasks, "/v1/tasks", sort=sort, **({"cursor": cursor} if after else {}))
    kinds = {node["Node Type"] for node in nodes(plan)}
    assert not kinds & {"Sort", "Incremental Sort", "Seq Scan"}, kinds
    filled = [node for node in nodes(plan) if node.get("Actual Rows") and "Relation Name" in node]
    assert all("owner" in node.get("Index Cond", "") for node in filled)
    assert sum(node["Actual Rows"] for node in filled) <= 51 + 16, (
        "a page costs a page, and a row of each month to merge"
    )


def test_the_trash_and_the_assigned_tasks_have_their_index(old_tasks: Caller) -> None:
    for path, query in (("/v1/trash", {}), ("/v1/tasks", {"assignee": "me"})):
        plan, _ = plan_of(old_tasks, path, **query)
        assert not {node["Node Type"] for node in nodes(plan)} & {"Sort", "Incremental Sort", "Seq Scan"}
        assert sum(node.get("Rows Removed by Filter", 0) for node in nodes(plan)) == 0


def test_a_text_search_uses_its_index(old_tasks: Caller) -> None:
    with CaptureQueriesContext(connection) as captured:
        old_tasks.get("/v1/tasks", q="300")
    (statement,) = [each["sql"] for each in captured.captured_queries if '"task"' in each["sql"]]
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_indexscan = off")
        cursor.execute(f"EXPLAIN {statement}")
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert (
        "to_tsvector_idx" in plan or "task_search" in plan or "to_tsvector('simple'" in plan.partition("Index Cond")[2]
    )
