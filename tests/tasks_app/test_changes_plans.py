"""What a page of the change feed costs: a bounded number of rows, however long the log and whoever reads it"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoDbBlocker

from config.data import partitions
from config.data.partitions import Month
from tasks_app.services import changes, news
from tests.accounts.keycloak import ALICE

NOW = Month.of(datetime.now(UTC))
MONTHS, PER_MONTH = 4, 60_000
FILLED = {NOW.plus(-back).table("event"): NOW.plus(-back) for back in range(MONTHS, 0, -1)}
# A few events of alice's, and every second one of somebody busy; ids and transactions ascend together.
FILL = """
INSERT INTO event (id, xid, type, subject, owner, actor, version, request_id, traceparent, at)
SELECT id, (%s + n)::text::xid8, 'task.updated', id, owner, owner, 1, '', '', at
FROM generate_series(%s, %s) n,
     LATERAL (SELECT %s::timestamptz + n * interval '30 seconds' AS at) t,
     LATERAL (SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '70008'
                      || substr(md5(n::text), 1, 15))::uuid AS id,
                     CASE WHEN n %% 20000 = 7 THEN %s WHEN n %% 2 = 0 THEN 'busy'
                          ELSE 'user-' || n %% 977 END AS owner) e
"""


Plan = dict[str, Any]


def nodes(plan: Plan) -> Iterator[Plan]:
    yield plan
    for inner in plan.get("Plans", []):
        yield from nodes(inner)


@pytest.fixture(scope="module")
def long_log(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[int]:
    """A quarter of a million events; the second half of them lies beyond the horizon. Gives the first transaction.

    The statistics know the first quarter only: a log that grows is always longer than they say.
    """
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
        first = int(cursor.fetchone()[0]) - MONTHS * PER_MONTH // 2
        for number, month in enumerate(FILLED.values()):
            partitions.create(connection, "event", month)
            for half in (0, PER_MONTH // 2):
                cursor.execute(FILL, [first + number * PER_MONTH, half + 1, half + PER_MONTH // 2, month.start, ALICE])
                if not half:
                    cursor.execute(f"ANALYZE {month.table('event')}")
    yield first
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        for table in FILLED:
            cursor.execute(f"DROP TABLE {table}")


@pytest.fixture
def log(long_log: int, db: None) -> int:
    return long_log


def explain(statement: str) -> Plan:
    setting, query = statement.removeprefix("BEGIN; ").split(";", 1)
    with connection.cursor() as cursor:
        cursor.execute(f"{setting}; EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {query}")
        cursor.nextset()
        found = cursor.fetchone()[0]
    plan: Plan = (json.loads(found) if isinstance(found, str) else found)[0]["Plan"]
    assert plan["Total Cost"] < 100_000, "from there on PostgreSQL compiles a query, which costs more than this one"
    return plan


def plan_of(owner: str, place: changes.Place, size: int = 50) -> tuple[Plan, changes.Page]:
    with CaptureQueriesContext(connection) as captured:
        page = changes.read(owner, place, size)
    (statement,) = [each["sql"] for each in captured.captured_queries]
    return explain(statement), page


def read_rows(plan: Plan) -> int:
    """Rows of the log that were looked at, also those that a filter then took away. (Later months are empty.)"""
    scans = [node for node in nodes(plan) if node.get("Relation Name") in FILLED and node["Actual Loops"]]
    assert {node["Node Type"] for node in scans} <= {"Index Scan"}
    return sum((node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"] for node in scans)


def read_blocks(plan: Plan) -> int:
    """Of the log and its indexes. What a scan passes over without a row stands here only."""
    scans = [node for node in nodes(plan) if node.get("Relation Name") in FILLED]
    return sum(int(node["Shared Hit Blocks"] + node["Shared Read Blocks"]) for node in scans)


START = changes.Place(0, UUID(int=0), 0)


def test_a_page_of_a_busy_owner_reads_a_page(log: int) -> None:
    plan, page = plan_of("busy", START)
    assert len(page.entries) == 50
    assert read_rows(plan) <= 51 + MONTHS
    assert read_blocks(plan) < 100
    later, page = plan_of("busy", page.place)
    assert (len(page.entries), read_rows(later) <= 51 + MONTHS, read_blocks(later) < 100) == (50, True, True)


def test_a_page_of_an_owner_with_few_events_reads_these(log: int) -> None:
    """Nothing beyond the horizon, which half of the log is, and nothing of others."""
    plan, page = plan_of(ALICE, START)
    assert 0 < len(page.entries) < 12
    assert read_rows(plan) == len(page.entries)
    assert read_blocks(plan) < 50


def test_the_end_of_the_log_costs_nothing_and_looks_into_no_old_month(log: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
        now = changes.Place(cursor.fetchone()[0], UUID(int=0), int(datetime.now(UTC).timestamp() * 1000))
    plan, page = plan_of("busy", now)
    assert (page.entries, page.caught_up, read_rows(plan)) == ([], True, 0)
    assert read_blocks(plan) < 20
    looked = {node.get("Relation Name") for node in nodes(plan)}
    assert not looked & {NOW.plus(-back).table("event") for back in range(3, MONTHS + 1)}


def test_the_question_for_all_who_wait_reads_a_row_for_each(log: int) -> None:
    waiters = [news._Waiter(owner, START) for owner in ("busy", ALICE, "nobody")]
    with CaptureQueriesContext(connection) as captured:
        news._wake(waiters)
    assert [waiter.news.done() for waiter in waiters] == [True, True, False]
    plan = explain(captured.captured_queries[0]["sql"])
    assert read_rows(plan) <= len(waiters) * (MONTHS + 1)
    assert read_blocks(plan) < 100


@pytest.mark.parametrize("owner", [ALICE, "nobody", "user-7"])
@pytest.mark.parametrize("back", [10, 20_000, 100_000])
def test_a_place_that_the_statistics_do_not_know_is_no_reason_to_look_at_the_events_of_all(
    log: int, owner: str, back: int
) -> None:
    xid = log + MONTHS * PER_MONTH // 2 - back
    plan, page = plan_of(owner, START._replace(xid=xid))
    assert read_rows(plan) <= len(page.entries) + MONTHS
    assert read_blocks(plan) < len(page.entries) * 2 + 50
