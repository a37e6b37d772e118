"""Redis is killed, frozen, full or flushed, a process dies after a commit: no answer is ever an older state"""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connections

from config.cache import gate, marks, memory
from config.cache import redis as house_redis
from config.cache.shelf import ITSELF, Place
from config.events import log
from tasks_app.models import Task
from tests.cast import Caller
from tests.config.servers import LONG_AGO, OwnRedis, eventually
from tests.tasks_app.test_tasks_get import where
from tests.threads import at_once

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.stack]
LIST = "/v1/tasks"


@pytest.fixture
def warm(own: OwnRedis, alice: Caller) -> dict[str, Any]:
    """A task of alice's that is kept, and her list."""
    task = alice.make(title="one")
    for path in (where(task), LIST):
        assert alice.get(path).status_code == 200
    assert own.client.exists(Place(task["id"], ITSELF).shelf)
    return task


def assert_seen(alice: Caller, task: dict[str, Any]) -> None:
    for _ in range(2):
        assert alice.get(where(task)).json() == task
        assert alice.get(LIST).json()["results"] == [task]


def is_back() -> None:
    eventually(house_redis.available, "the breaker closes")
    eventually(lambda: not house_redis._breaker.is_probing, "the probe ends")


def another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that has never seen Redis fail, and owes it nothing."""
    monkeypatch.setattr(house_redis._breaker, "back_at", float("-inf"))


def test_cache_killed_while_something_is_written(own: OwnRedis, alice: Caller, warm: dict[str, Any]) -> None:
    own.kill()
    changed = alice.patch(where(warm), {"title": "two"}).json()
    assert_seen(alice, changed)
    own.start()
    is_back()
    assert_seen(alice, changed)


def test_cache_frozen_while_something_is_written_keeps_nothing_of_before(
    own: OwnRedis, alice: Caller, warm: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it could not be told is not in its socket either: only that the writer owes it makes it forget."""
    own.freeze()
    assert alice.get(where(warm)).json() == warm
    changed = alice.patch(where(warm), {"title": "two"}).json()
    assert_seen(alice, changed)
    own.thaw()
    is_back()
    another_process(monkeypatch)
    assert own.client.hexists(Place(warm["id"], ITSELF).shelf, ITSELF), "the old entry is there, and not served"
    assert_seen(alice, changed)


def test_cache_a_process_that_saw_redis_fail_waits_until_the_others_have_told_it_everything(
    own: OwnRedis, alice: Caller, warm: dict[str, Any], django_assert_num_queries: Any
) -> None:
    own.freeze()
    assert alice.get(where(warm)).json() == warm
    own.thaw()
    is_back()
    assert house_redis.lately_back()
    with django_assert_num_queries(1):
        assert alice.get(where(warm)).json() == warm
    eventually(lambda: not house_redis.lately_back(), "it is believed again")
    with django_assert_num_queries(0):
        assert alice.get(where(warm)).json() == warm


def test_cache_full_while_something_is_written(
    own: OwnRedis, alice: Caller, warm: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    own.fill()
    changed = alice.patch(where(warm), {"title": "two"}).json()
    assert_seen(alice, changed)
    own.empty()
    is_back()
    another_process(monkeypatch)
    assert_seen(alice, changed)


def test_cache_flushed_between_two_calls(own: OwnRedis, alice: Caller, warm: dict[str, Any]) -> None:
    changed = alice.patch(where(warm), {"title": "two"}).json()
    own.client.flushall()
    assert_seen(alice, changed)


def test_cache_flushed_and_filled_by_another_reader_before_a_commit(
    own: OwnRedis, alice: Caller, warm: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The touch is forgotten, and a reader keeps the old state once more."""
    save = log.save

    def flushed(*write: Any) -> int:
        xid = save(*write)
        own.client.flushall()
        before = at_once(1, lambda _: [alice.get(path).json() for path in (where(warm), LIST)])
        assert before == [[warm, {"results": [warm], "next_cursor": None}]]
        filled.append(xid)
        return xid

    filled: list[int] = []
    monkeypatch.setattr(log, "save", flushed)
    changed = alice.patch(where(warm), {"title": "two"}).json()
    assert len(filled) == 1
    assert_seen(alice, changed)


@pytest.mark.parametrize("key", [{}, {"idempotency_key": "k"}])
def test_cache_redis_is_told_of_a_write_that_nobody_can_see_yet(
    own: OwnRedis, alice: Caller, monkeypatch: pytest.MonkeyPatch, key: dict[str, str]
) -> None:
    """A process that dies right after its commit must have told already."""
    tell, seen = marks.tell, list[list[str]]()

    def told(*arguments: Any, **named: Any) -> None:
        seen.append(at_once(1, lambda _: list(Task.objects.values_list("title", flat=True)))[0])
        tell(*arguments, **named)

    monkeypatch.setattr(marks, "tell", told)
    made = alice.post("/v1/tasks", {"title": "one"}, **key).json()
    assert alice.patch(where(made), {"title": "two"}, **key).status_code == 200
    assert alice.delete(where(made), **key).status_code == 204
    assert seen == [[], ["one"], ["two"]]


@pytest.mark.parametrize("change", [{"title": "two"}, None])
def test_cache_a_process_that_dies_right_after_a_commit_leaves_no_old_entry(
    own: OwnRedis, alice: Caller, warm: dict[str, Any], monkeypatch: pytest.MonkeyPatch, change: Any
) -> None:
    monkeypatch.setattr(marks, "_after", lambda commands: None)
    if change is None:
        alice.delete(where(warm))
        assert (alice.get(where(warm)).status_code, alice.get(LIST).json()["results"]) == (404, [])
    else:
        assert_seen(alice, alice.patch(where(warm), change).json())


def test_cache_a_new_memory_is_not_believed_at_once(own: OwnRedis, alice: Caller, warm: dict[str, Any]) -> None:
    """Another one may have written what it no longer knows: until every replica has that, the primary is read."""

    def unsure() -> bool:
        return gate.enter(alice.id, session=None, issued_at=0).unsure

    assert not unsure()
    own.client.flushall()
    assert unsure()
    own.client.set(memory.KEY, LONG_AGO)
    assert not unsure()
    own.client.set(memory.KEY, "junk")
    assert unsure()


def test_cache_what_is_owed_is_paid_once_and_first(own: OwnRedis, monkeypatch: pytest.MonkeyPatch) -> None:
    own.client.set(memory.KEY, LONG_AGO)
    with monkeypatch.context() as patch:  # or what is owed may be paid before there is anything to forget
        patch.setattr(house_redis._breaker, "_answers", lambda: False)
        own.kill()
        for _ in range(3):
            memory.forget()
        own.start()
        own.client.set(memory.KEY, LONG_AGO)
    is_back()
    assert own.client.get(memory.KEY) is None
    assert not house_redis._owed
    connections.close_all()


def test_cache_one_hit_is_one_round_trip(own: OwnRedis, alice: Caller, warm: dict[str, Any]) -> None:
    calls: list[int] = []
    ask: Callable[..., Any] = house_redis._ask

    def counted(commands: Any) -> Any:
        calls.append(len(commands))
        return ask(commands)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(house_redis, "_ask", counted)
        assert alice.get(where(warm)).status_code == 200
    assert calls == [3]
    stats = own.client.info("commandstats")
    assert not {"cmdstat_keys", "cmdstat_scan"} & stats.keys()
