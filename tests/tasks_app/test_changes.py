"""GET /v1/changes: what the entries say, where a cursor goes on, and who sees what"""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, transaction

from config.data import ids
from config.events import log
from config.events.log import NewEvent
from tests.cast import Answer, Caller, assert_problem, refused_parameter
from tests.config.servers import eventually
from tests.tasks_app.feed import CHANGES, apply, follow, listed
from tests.tasks_app.test_tasks_get import where

# An event is in the feed once its transaction has ended.
pytestmark = pytest.mark.django_db(transaction=True)


def page(caller: Caller, **query: Any) -> dict[str, Any]:
    answer: dict[str, Any] = caller.get(CHANGES, **query).json()
    return answer


def test_changes_are_the_events_of_own_tasks_with_the_task_as_it_is_now(alice: Caller, bob: Caller) -> None:
    task = alice.make(title="one", assignee=bob.id)
    bob.patch(where(task), {"status": "completed"})
    bob.make(title="not hers")
    rows = follow(alice)
    now = alice.get(where(task)).json()
    assert [(row["type"], row["version"], row["id"]) for row in rows] == [
        ("task.created", 1, task["id"]),
        ("task.updated", 2, task["id"]),
        ("task.completed", 2, task["id"]),
    ]
    assert [row["task"] for row in rows] == [now] * 3
    assert set(rows[0]) == {"sequence", "type", "id", "version", "at", "changes", "task"}
    told = alice.get(f"{where(task)}/history").json()["results"]
    assert [(row["changes"], row["at"]) for row in rows] == [(row["changes"], row["at"]) for row in told]
    sequences = [row["sequence"] for row in rows]
    assert sequences == sorted(set(sequences))
    assert len({len(sequence) for sequence in sequences}) == 1


def test_deletions_are_tombstones_and_a_restored_task_is_there_again(alice: Caller) -> None:
    task = alice.make()
    alice.delete(where(task))
    assert [(row["type"], row["task"]) for row in follow(alice)] == [("task.created", None), ("task.deleted", None)]
    alice.post(f"{where(task)}/restore")
    assert {row["task"]["version"] for row in follow(alice)} == {3}


def test_a_purge_takes_the_text_out_of_the_feed(alice: Caller) -> None:
    task = alice.make(title="a secret")
    alice.delete(where(task))
    alice.delete(f"/v1/trash/{task['id']}")
    rows = follow(alice)
    assert [row["type"] for row in rows] == ["task.created", "task.deleted", "task.purged"]
    assert {(row["id"], row["task"], row["changes"]) for row in rows} == {(task["id"], None, None)}


def test_other_events_of_the_caller_are_not_in_it(alice: Caller) -> None:
    with transaction.atomic():
        log.append([NewEvent("export.requested", ids.uuid7(), alice.id, alice.id)])
    alice.make()
    assert [row["type"] for row in follow(alice)] == ["task.created"]


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_pages_hold_every_entry_once_and_say_when_there_is_no_more(alice: Caller, size: int) -> None:
    for number in range(3):
        alice.make(title=f"{number}", status="completed")
    whole = follow(alice)
    rows: list[dict[str, Any]] = []
    cursor: dict[str, Any] = {}
    caught_up = False
    while not caught_up:
        answer = alice.get(CHANGES, page_size=size, **cursor).json()
        assert len(answer["results"]) <= size
        rows, cursor, caught_up = rows + answer["results"], {"cursor": answer["next_cursor"]}, answer["caught_up"]
    assert rows == whole
    assert len(whole) == 6


def test_an_empty_page_has_a_cursor_that_goes_on(alice: Caller) -> None:
    empty = eventually(lambda: _caught_up(alice), "the end of the log")
    assert empty["results"] == []
    alice.make(title="later")
    rows = follow(alice, cursor=empty["next_cursor"])
    assert [row["task"]["title"] for row in rows] == ["later"]
    answer = alice.get(CHANGES, cursor=empty["next_cursor"])
    assert 'rel="next"' in answer.headers["Link"]


def _caught_up(caller: Caller) -> dict[str, Any] | None:
    answer = page(caller)
    return answer if answer["caught_up"] else None


def test_a_cursor_goes_on_with_any_page_size_and_wait(alice: Caller) -> None:
    for _ in range(3):
        alice.make()
    rows = follow(alice)
    cursor = page(alice, page_size=1, wait=1)["next_cursor"]
    assert page(alice, page_size=2, cursor=cursor)["results"] == rows[1:]


def test_a_cursor_belongs_to_one_caller_and_to_this_list(alice: Caller, bob: Caller) -> None:
    cursor = page(alice)["next_cursor"]
    assert_problem(bob.get(CHANGES, cursor=cursor), 400, "invalid-cursor")
    assert_problem(alice.get("/v1/tasks", cursor=cursor), 400, "invalid-cursor")
    assert_problem(alice.get(CHANGES, cursor=cursor[:-1] + ("A" if cursor[-1] != "A" else "B")), 400, "invalid-cursor")


@pytest.mark.parametrize(
    ("name", "value"),
    [("wait", "31"), ("wait", "-1"), ("wait", "1.5"), ("wait", ""), ("wait", "x"), ("page_size", 0), ("owner", "any")],
)
def test_a_wrong_parameter_is_named(alice: Caller, name: str, value: Any) -> None:
    assert refused_parameter(alice.get(CHANGES, **{name: value})) == name


def test_an_own_write_that_an_older_transaction_holds_up_is_not_called_caught_up(alice: Caller) -> None:
    """It cannot be told before the older one has ended, or an event of that one would be missed."""
    connection.ensure_connection()
    with connection.connection.__class__.connect(**connection.get_connection_params()) as older:
        older.autocommit = False
        older.execute("SELECT pg_current_xact_id()")
        alice.make()
        held = page(alice)
        assert (held["results"], held["caught_up"]) == ([], False)
        older.rollback()
    assert [row["type"] for row in follow(alice, cursor=held["next_cursor"])] == ["task.created"]


def test_a_client_that_applies_each_entry_has_exactly_the_list(alice: Caller, limits: Callable[..., None]) -> None:
    limits(user=(100_000, 60), task=(100_000, 60))
    kept: dict[str, Any] = {}
    tasks = [alice.make(title=f"{number}") for number in range(6)]
    cursor = apply(alice, kept, None)
    alice.patch(where(tasks[0]), {"title": "changed"})
    alice.delete(where(tasks[1]))
    alice.delete(where(tasks[2]))
    alice.post(f"{where(tasks[2])}/restore")
    cursor = apply(alice, kept, cursor, page_size=1)
    assert kept == listed(alice)
    alice.delete(where(tasks[3]))
    alice.delete(f"/v1/trash/{tasks[3]['id']}")
    alice.delete(f"/v1/trash/{tasks[1]['id']}")
    alice.make(title="new")
    apply(alice, kept, cursor)
    assert kept == listed(alice)
    assert len(kept) == 5


def drop_up_to(xid: int, identifier: UUID) -> None:
    """As `partitions --drop-before` notes it (tests/config/test_partitions.py)."""
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO events_cursor (name, xid, id) VALUES ('dropped', %s, %s)", [str(xid), identifier])


def place(entry: dict[str, Any]) -> tuple[int, UUID]:
    xid, _, event = entry["sequence"].partition("-")
    return int(xid), UUID(event)


def test_a_cursor_older_than_the_log_is_410_and_a_new_start_finds_what_is_kept(alice: Caller) -> None:
    for number in range(3):
        alice.make(title=f"{number}")
    rows = follow(alice)
    before, at, after = (page(alice, page_size=size)["next_cursor"] for size in (1, 2, 3))
    drop_up_to(*place(rows[1]))
    assert_problem(alice.get(CHANGES, cursor=before), 410, "cursor-expired")
    assert page(alice, cursor=at)["results"] == rows[2:]
    assert page(alice, cursor=after)["results"] == []
    assert page(alice)["results"] == rows[2:]
    assert page(alice, page_size=1)["results"] == rows[2:]


def test_a_reader_without_news_stays_as_young_as_one_with_them(alice: Caller, bob: Caller) -> None:
    """Otherwise who has had no event for a month would be sent back to the beginning."""
    empty = eventually(lambda: _caught_up(alice), "the end of the log")
    bob.make()
    (row,) = follow(bob)
    later: Answer = eventually(lambda: _moved(alice, empty["next_cursor"], row), "the cursor moves")
    drop_up_to(*place(row))
    assert alice.get(CHANGES, cursor=later).status_code == 200
    assert_problem(alice.get(CHANGES, cursor=empty["next_cursor"]), 410, "cursor-expired")


def _moved(caller: Caller, cursor: str, row: dict[str, Any]) -> str | None:
    answer = page(caller, cursor=cursor)
    with connection.cursor() as asked:
        asked.execute("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint > %s", [place(row)[0]])
        behind = asked.fetchone()[0]
    return str(page(caller, cursor=answer["next_cursor"])["next_cursor"]) if behind else None


def test_changes_count_their_queries(alice: Caller, django_assert_num_queries: Any) -> None:
    for number in range(5):
        alice.make(title=f"{number}")
        with django_assert_num_queries(2):
            cursor = page(alice)["next_cursor"]
        with django_assert_num_queries(1):
            page(alice, cursor=cursor)
