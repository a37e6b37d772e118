"""GET /v1/changes?wait=: answers as soon as there is something, holds nothing meanwhile, and never starves others"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection, connections

from config.cache import gate
from config.data import reading
from config.events.models import Event
from tasks_app.services import changes, news
from tests.cast import Answer, Caller, assert_problem
from tests.config.servers import eventually
from tests.tasks_app.feed import CHANGES, read
from tests.tasks_app.test_tasks_get import where

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def end_of_the_asking() -> Iterator[None]:
    yield
    eventually(lambda: news._asker is None, "the end of the thread that asks")


@contextmanager
def waiting(*calls: Callable[[], Answer]) -> Iterator[list[Answer]]:
    """The calls wait while the block runs; their answers are there after it."""
    answers: list[Answer] = []

    def run(call: Callable[[], Answer]) -> None:
        try:
            answers.append(call())
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    eventually(lambda: len(news._waiters) == len(calls), "the waiting")
    yield answers
    for thread in threads:
        thread.join()


def behind(caller: Caller, wait: int = 30) -> Callable[[], Answer]:
    """A long poll from the end of the feed."""
    _, cursor = read(caller, None)
    return lambda: caller.get(CHANGES, wait=wait, cursor=cursor)


def test_a_waiting_call_is_answered_by_the_first_change(alice: Caller, bob: Caller) -> None:
    with waiting(behind(alice)) as answers:
        bob.make()
        task = alice.make(title="news")
    (answer,) = answers
    assert [(row["id"], row["type"]) for row in answer.json()["results"]] == [(task["id"], "task.created")]


def test_a_change_of_an_own_task_by_another_wakes_its_owner(alice: Caller, ada: Caller) -> None:
    task = alice.make()
    with waiting(behind(alice)) as answers:
        ada.patch(where(task), {"title": "x"})
    assert [row["type"] for row in answers[0].json()["results"]] == ["task.updated"]


def test_the_read_after_the_news_must_see_them(alice: Caller, ada: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """The primary has told them, and a replica may not know of them yet."""
    task, call, read_page = alice.make(), behind(alice), changes.read
    seen: list[frozenset[int]] = []

    def read_and_tell(*arguments: Any) -> changes.Page:
        seen.append(reading.demanded())
        return read_page(*arguments)

    monkeypatch.setattr(changes, "read", read_and_tell)
    with waiting(call):
        ada.patch(where(task), {"title": "x"})
    xid = Event.objects.order_by("-id")[0].xid
    assert [xid in demanded for demanded in seen] == [False, True]


def test_a_change_of_another_wakes_nobody(alice: Caller, bob: Caller) -> None:
    call = behind(alice, wait=1)
    with waiting(call) as answers:
        bob.make()
    assert (answers[0].status_code, answers[0].json()["results"]) == (200, [])
    assert answers[0].json()["caught_up"]


def test_a_waiting_call_holds_no_transaction_and_no_query(alice: Caller) -> None:
    with waiting(behind(alice)), connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'"
        )
        assert cursor.fetchone() == (0,)
        alice.make()


def test_more_than_may_wait_are_answered_at_once(alice: Caller, bob: Caller, settings: Any) -> None:
    settings.API_WAITING = 1
    waits = behind(alice)
    cursor = read(bob, None)[1]
    with waiting(waits) as answers:
        answer = bob.get(CHANGES, wait=30, cursor=cursor)
        assert (answer.status_code, answer.json()["results"], len(answers)) == (200, [], 0)
        alice.make()
    assert len(answers[0].json()["results"]) == 1


def test_one_query_a_round_asks_for_all_who_wait(
    alice: Caller, bob: Caller, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.API_WAITING = 8
    rounds: list[int] = []
    wake = news._wake

    def count(waiters: Any) -> None:
        rounds.append(len(waiters))
        wake(waiters)

    monkeypatch.setattr(news, "_wake", count)
    calls = [behind(alice), behind(alice), behind(bob)]
    with waiting(*calls) as answers:
        eventually(lambda: 3 in rounds, "a round for all three")
        alice.make(title="hers")
        bob.make(title="his")
    assert sorted(answer.json()["results"][0]["task"]["title"] for answer in answers) == ["hers", "hers", "his"]


def test_who_is_shut_out_while_he_waits_gets_nothing(alice: Caller, ada: Caller) -> None:
    task = alice.make()
    with waiting(behind(alice)) as answers:
        gate.deny_session(alice.id, "session-of-alice", 60)
        ada.patch(where(task), {"title": "not for her any more"})
    assert_problem(answers[0], 401)


def test_a_long_poll_counts_as_one_call(alice: Caller, limits: Callable[..., None]) -> None:
    limits(user=(50, 3600))
    call = behind(alice)

    def remaining() -> int:
        return int(alice.get("/v1/me/limits").json()["user"]["remaining"])

    before = remaining()
    with waiting(call) as answers:
        alice.make()
    policy = answers[0].headers["RateLimit"]
    assert policy.count('"user"') == 1
    assert int(policy.partition("r=")[2].partition(";")[0]) == remaining() == before - 2


def test_a_database_that_fails_ends_no_wait(alice: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread that asks goes on with a new connection."""
    ended: list[int] = []
    wake = news._wake

    def lose_the_first(waiters: Any) -> None:
        if not ended:
            with connections["default"].cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid()")
                ended.append(cursor.fetchone()[0])
                cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        wake(waiters)

    monkeypatch.setattr(news, "_wake", lose_the_first)
    with waiting(behind(alice)) as answers:
        eventually(lambda: ended, "the loss")
        alice.make()
    assert len(answers[0].json()["results"]) == 1


def test_nobody_asks_when_nobody_waits(alice: Caller) -> None:
    with waiting(behind(alice)):
        assert news._asker is not None
        alice.make()
    eventually(lambda: news._asker is None, "the end of the asking")
    deadline = time.monotonic() + 5
    while any(thread.name == "news" for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
