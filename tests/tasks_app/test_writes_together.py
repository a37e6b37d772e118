"""Writes that come in together share a transaction; each has its own answer, key and events all the same."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from django.db import OperationalError, connection, connections
from psycopg.errors import DeadlockDetected

from config.api.keyed import Key
from config.api.models import IdempotencyKey
from config.data import consistency
from config.data.statements import Statement
from config.events import log
from config.events.models import Event
from tasks_app.models import Task
from tests.beside import beside
from tests.cast import Answer, Caller, assert_problem
from tests.config.servers import eventually

pytestmark = pytest.mark.django_db(transaction=True)
TRACE = "00-{:032x}-{:016x}-01"


def create(caller: Caller, title: str, key: str | None = None, **more: Any) -> Answer:
    number = abs(hash(title)) + 1
    headers = {"x_request_id": f"request-{title}", "traceparent": TRACE.format(number, number)}
    return caller.post("/v1/tasks", {"title": title, **more}, **headers, **({"idempotency_key": key} if key else {}))


def calls(callers: Sequence[Caller], count: int = 6) -> list[Callable[[], Answer]]:
    return [partial(create, callers[n % len(callers)], f"t{n}", f"key {n}" if n % 3 else None) for n in range(count)]


def test_they_share_a_transaction_and_nothing_else(alice: Caller, bob: Caller) -> None:
    answers = beside(*calls([alice, bob]))
    assert [answer.status_code for answer in answers] == [201] * 6
    assert len({answer.headers["Consistency-Token"] for answer in answers}) == 1
    for number, answer in enumerate(answers):
        owner, task = (alice, bob)[number % 2], answer.json()
        assert (task["title"], task["owner"]) == (f"t{number}", owner.id)
        assert answer.headers["Location"] == f"/v1/tasks/{task['id']}"
        assert owner.get(answer.headers["Location"]).content == answer.content
        event = Event.objects.get(subject=task["id"])
        assert (event.actor, event.request_id) == (owner.id, f"request-t{number}")
        assert event.traceparent == TRACE.format(*[abs(hash(f"t{number}")) + 1] * 2)
    assert {task["title"] for task in alice.pages("/v1/tasks")} == {"t0", "t2", "t4"}


def test_a_repeated_call_gets_each_ones_own_stored_answer(alice: Caller, bob: Caller) -> None:
    first = beside(*calls([alice, bob]))
    again = [call() for call in calls([alice, bob])]
    for number, (one, other) in enumerate(zip(first, again, strict=True)):
        assert (other.content == one.content) == bool(number % 3)
        assert ("Idempotency-Replayed" in other.headers) == bool(number % 3)
    assert Task.objects.count() == 6 + 2
    assert IdempotencyKey.objects.count() == 4


def test_one_whose_key_was_used_is_replayed_and_the_others_are_saved(alice: Caller) -> None:
    before = create(alice, "t1", "key 1")
    answers = beside(*calls([alice]))
    assert [answer.status_code for answer in answers] == [201] * 6
    assert answers[1].content == before.content
    assert answers[1].headers["Idempotency-Replayed"] == "true"
    assert sorted(Task.objects.values_list("title", flat=True)) == [f"t{number}" for number in range(6)]
    assert Event.objects.count() == 6


def test_the_same_call_twice_in_one_batch_is_done_once(alice: Caller) -> None:
    answers = beside(*[partial(create, alice, "once", "one key")] * 3, *calls([alice], 2))
    assert [answer.status_code for answer in answers] == [201] * 5
    assert len({answer.content for answer in answers[:3]}) == 1
    assert Task.objects.filter(title="once").count() == 1
    assert Event.objects.count() == 3


def test_one_key_with_two_bodies_in_one_batch_is_refused_to_one_of_them(alice: Caller) -> None:
    answers = beside(partial(create, alice, "a", "one key"), partial(create, alice, "b", "one key"))
    assert sorted(answer.status_code for answer in answers) == [201, 422]
    assert (Task.objects.count(), Event.objects.count()) == (1, 1)


def test_a_refused_one_is_refused_alone(alice: Caller) -> None:
    bad = partial(create, alice, "to a stranger", "key", assignee="00000000-0000-4000-8000-000000000000")
    good = calls([alice])
    answers = beside(good[0], bad, *good[1:])
    assert_problem(answers[1], 400)
    assert [answer.status_code for answer in (answers[0], *answers[2:])] == [201] * 6
    assert Task.objects.count() == 6


def _failing(monkeypatch: pytest.MonkeyPatch, sql: str, title: str) -> list[int]:
    """From now on what is saved with a task of this title fails in the database; gives the sizes of what was saved."""
    save, sizes = log.save, []

    def saved(statements: Sequence[Any], events: Sequence[Any], **options: Any) -> int:
        sizes.append(len(events))
        fails = any((event.changes or {}).get("title", {}).get("to") == title for event in events)
        return save([*statements, Statement(sql)] if fails else statements, events, **options)

    monkeypatch.setattr(log, "save", saved)
    return sizes


def test_one_that_the_database_refuses_does_not_take_the_others_with_it(
    alice: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = _failing(monkeypatch, "SELECT 1 / 0", "t2")
    answers = beside(*calls([alice]))
    assert [answer.status_code for answer in answers] == [201, 201, 500, 201, 201, 201]
    assert sizes == [6] + [1] * 6
    assert sorted(Task.objects.values_list("title", flat=True)) == ["t0", "t1", "t3", "t4", "t5"]
    assert set(IdempotencyKey.objects.values_list("key", flat=True)) == {"key 1", "key 4", "key 5"}


@pytest.mark.parametrize("what", ["lock_not_available", "query_canceled"])
def test_one_that_waits_for_too_long_does_not_take_the_others_with_it(
    alice: Caller, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    sizes = _failing(monkeypatch, f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{what}'; END $$", "t2")
    answers = beside(*calls([alice]))
    assert [answer.status_code for answer in answers] == [201, 201, 503, 201, 201, 201]
    assert sizes == [6] + [1] * 6


def test_a_database_that_is_away_is_not_asked_again_by_each(alice: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any, **__: Any) -> int:
        asked.append(1)
        raise OperationalError("the connection is closed")

    asked: list[int] = []
    monkeypatch.setattr(log, "save", away)
    answers = beside(*calls([alice]))
    assert [answer.status_code for answer in answers] == [503] * 6
    assert asked == [1]
    assert (Task.objects.count(), IdempotencyKey.objects.count()) == (0, 0)


def test_what_redis_kept_of_their_lists_is_gone(alice: Caller, bob: Caller) -> None:
    assert [caller.get("/v1/tasks").json()["results"] for caller in (alice, bob)] == [[], []]
    beside(*calls([alice, bob]))
    assert [len(caller.get("/v1/tasks").json()["results"]) for caller in (alice, bob)] == [3, 3]


def test_each_call_counts_for_its_own_limit(alice: Caller, bob: Caller, limits: Callable[..., None]) -> None:
    limits(user=(3, 60))
    answers = beside(*calls([alice, alice, alice, alice, bob]))
    assert sorted(answer.status_code for answer in answers) == [201] * 4 + [429] * 2
    told = [answer.headers["RateLimit"].split("r=")[1][0] for answer in answers if answer.status_code == 201]
    assert told == list("2101")  # bob's fixture has called once


def change(caller: Caller, task: str, title: str, **headers: str) -> Answer:
    return caller.patch(f"/v1/tasks/{task}", {"title": title}, **headers)


def versions(task: str) -> list[tuple[Any, Any]]:
    """What the log says of a task, in its order."""
    events = Event.objects.filter(subject=task).order_by("xid", "id").values_list("version", "changes")
    return [(version, (changes or {})["title"]["to"]) for version, changes in events]


def test_changes_of_different_tasks_share_a_transaction(alice: Caller, bob: Caller) -> None:
    tasks = [(caller, caller.make(title="old")["id"]) for caller in (alice, bob, alice)]
    answers = beside(
        *[partial(change, caller, task, f"new {task}", idempotency_key=task) for caller, task in tasks],
        partial(create, bob, "another"),
        partial(alice.delete, f"/v1/tasks/{alice.make()['id']}"),
    )
    assert [answer.status_code for answer in answers] == [200, 200, 200, 201, 204]
    assert len({answer.headers["Consistency-Token"] for answer in answers}) == 1
    for (caller, task), answer in zip(tasks, answers, strict=False):
        assert answer.json()["title"] == f"new {task}"
        assert caller.get(f"/v1/tasks/{task}").content == answer.content
        assert change(caller, task, f"new {task}", idempotency_key=task).content == answer.content
        assert versions(task) == [(1, "old"), (2, f"new {task}")]


def test_changes_of_one_task_see_each_other(alice: Caller) -> None:
    task, other = alice.make(title="old")["id"], alice.make(title="old")["id"]
    wanted = [f"new {number}" for number in range(4)]
    answers = beside(*[partial(change, alice, task, title) for title in wanted], partial(change, alice, other, "x"))
    assert [answer.json()["version"] for answer in answers] == [2, 3, 4, 5, 2]
    assert versions(task) == [(1, "old"), *[(2 + number, title) for number, title in enumerate(wanted)]]


def test_what_a_rule_refuses_is_refused_alone(alice: Caller, bob: Caller) -> None:
    mine, his = alice.make(title="old")["id"], bob.make(title="old")["id"]
    answers = beside(
        partial(change, alice, mine, "stale", if_match='"7"', idempotency_key="a"),
        partial(change, alice, his, "stranger"),
        partial(change, bob, his, "new", idempotency_key="b"),
        partial(change, alice, mine, "old"),  # which changes nothing
    )
    assert [answer.status_code for answer in answers] == [412, 404, 200, 200]
    assert (versions(mine), versions(his)) == ([(1, "old")], [(1, "old"), (2, "new")])
    assert change(alice, mine, "stale", if_match='"7"', idempotency_key="a").headers["Idempotency-Replayed"] == "true"


def test_who_changes_nothing_beside_a_write_sees_all_the_same_what_he_was_told(
    alice: Caller, bob: Caller, redis: Any
) -> None:
    """The transaction is told of for the other one's sake; he was told a state that no replica may have yet."""
    task = alice.make(title="old")["id"]
    redis.delete(f"tm:{{{alice.id}}}:wrote")
    same, _ = beside(partial(change, alice, task, "old"), partial(create, bob, "another"))
    xid = consistency.decode(same.headers["Consistency-Token"])
    assert redis.lrange(f"tm:{{{alice.id}}}:wrote", 0, -1) == [str(xid).encode()]


def _elsewhere(sql: str, values: Sequence[Any]) -> Any:
    """A transaction of another process, which has done this and goes on until it is closed."""
    connection = connections.create_connection("default")
    connection.set_autocommit(False)
    connection.cursor().execute(sql, values)
    return connection


def test_a_key_that_runs_elsewhere_is_told_at_once_and_holds_up_nobody(alice: Caller) -> None:
    busy, free = alice.make(title="old")["id"], alice.make(title="old")["id"]
    number = Key(alice.id, "PATCH v1/tasks/<id:id>", "busy", b"").number
    there = _elsewhere("SELECT pg_advisory_xact_lock(%s) FROM task WHERE id = %s FOR UPDATE", [number, busy])
    try:
        answers = beside(
            partial(change, alice, busy, "new", idempotency_key="busy"),
            partial(change, alice, free, "new", idempotency_key="free"),
            partial(create, alice, "another", "key"),
        )
    finally:
        there.rollback()
        there.close()
    assert_problem(answers[0], 409, "in-flight")
    assert [answer.status_code for answer in answers[1:]] == [200, 201]
    assert change(alice, busy, "new", idempotency_key="busy").status_code == 200


def test_a_bulk_waits_for_no_task_behind_one_that_it_waits_for(alice: Caller) -> None:
    """It would wait in a circle with single changes that share a transaction, which go by the tasks' ids."""
    tasks = sorted(alice.make(title="old")["id"] for _ in range(12))
    change(alice, tasks[0], "newer")  # so that it lies behind the others, where a scan finds it last
    changes = [{"op": "update", "id": task, "body": {"title": "new"}} for task in reversed(tasks)]
    change_one = "UPDATE task SET updated_at = updated_at WHERE id = %s"
    there = _elsewhere(change_one, tasks[:1])

    def bulk() -> Answer:
        try:
            return alice.post("/v1/tasks/bulk", {"operations": changes})
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(bulk)
        try:
            eventually(lambda: _waiters() == 1, "the bulk waits")
            there.cursor().execute("SET LOCAL lock_timeout = 2000")
            for task in tasks[1:]:
                there.cursor().execute(change_one, [task])
            there.commit()
        finally:
            there.close()
        assert answer.result().status_code == 200


def _waiters() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype IN ('transactionid', 'tuple')")
        return int(cursor.fetchone()[0])


def test_a_task_that_was_changed_meanwhile_is_read_again(alice: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    task, other = alice.make(title="old")["id"], alice.make(title="old")["id"]
    save, sizes = log.save, []

    def saved(statements: Sequence[Any], events: Sequence[Any], **options: Any) -> int:
        sizes.append(len(events))
        if len(sizes) == 1:
            elsewhere = _elsewhere("UPDATE task SET version = 9 WHERE id = %s", [task])
            elsewhere.commit()
            elsewhere.close()
        return save(statements, events, **options)

    monkeypatch.setattr(log, "save", saved)
    answers = beside(partial(change, alice, task, "new"), partial(change, alice, other, "new"))
    assert [answer.json()["version"] for answer in answers] == [10, 2]
    assert sizes == [2, 1, 1]


def test_who_waits_in_a_circle_tries_again(alice: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    save = log.save
    failed: list[int] = []

    def saved(*arguments: Any, **options: Any) -> int:
        if not failed:
            failed.append(1)
            raise OperationalError("deadlock detected") from DeadlockDetected()
        return save(*arguments, **options)

    monkeypatch.setattr(log, "save", saved)
    assert [answer.status_code for answer in beside(*calls([alice], 3))] == [201] * 3
    assert Task.objects.count() == 3
