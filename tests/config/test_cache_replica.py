"""A replica that stands still, and readers on it: what they bring late or old never gets into the cache"""

import threading
from typing import Any

import pytest
from django.db import connections

from config.cache.shelf import ITSELF, Place
from config.data import reading
from tests.accounts.keycloak import Mint
from tests.cast import Caller
from tests.config.conftest import caller
from tests.config.postgres_pair import PostgresPair
from tests.tasks_app.test_tasks_get import where


@pytest.fixture
def task(paused: PostgresPair, tokens: Mint) -> dict[str, Any]:
    """Of alice's, assigned to bob, and known to the replica that stands still."""
    made = caller(tokens, "alice").make(title="one", assignee=caller(tokens, "bob").id)
    assert caller(tokens, "ada").get("/v1/me").status_code == 200
    paused.resume()
    paused.catch_up()
    paused.pause()
    return made


def entries(redis: Any, subject: str) -> list[bytes]:
    return [value for key, value in redis.hgetall(Place(subject, "").shelf).items() if key != b"t"]


def drop(redis: Any, subject: str) -> None:
    """As a full Redis may: the entries are gone, that they were touched is not forgotten."""
    shelf = Place(subject, "").shelf
    for field in redis.hkeys(shelf):
        if field != b"t":
            redis.hdel(shelf, field)


def test_cache_an_old_state_from_a_replica_is_not_kept(task: dict[str, Any], tokens: Mint, redis: Any) -> None:
    alice, bob, ada = (caller(tokens, name) for name in ("alice", "bob", "ada"))
    changed = alice.patch(where(task), {"title": "two"}).json()
    for reader in (bob, ada):
        assert reader.get(where(task)).json() == changed, "what a write left is newer than the replica"
    drop(redis, task["id"])
    drop(redis, alice.id)
    assert bob.get(where(task)).json() == task, "he may see an old state: the replica's"
    assert entries(redis, task["id"]) == []
    assert alice.get(where(task)).json() == changed
    assert alice.get("/v1/tasks").json()["results"][0] == changed
    assert bob.get(where(task)).json() == changed, "the writer's read was kept"


def test_cache_what_a_replica_has_is_kept(task: dict[str, Any], tokens: Mint, redis: Any) -> None:
    drop(redis, task["id"])
    assert caller(tokens, "bob").get(where(task)).json() == task
    assert len(entries(redis, task["id"])) == 1


@pytest.mark.parametrize("left", ["its bytes", "nothing"])
def test_cache_a_reader_who_was_slower_than_a_write_brings_nothing_back(
    task: dict[str, Any], tokens: Mint, redis: Any, monkeypatch: pytest.MonkeyPatch, left: str
) -> None:
    """He has read on the replica; a write commits; then he keeps what he read."""
    alice, bob = caller(tokens, "alice"), caller(tokens, "bob")
    drop(redis, task["id"])
    has_read, may_go_on = threading.Event(), threading.Event()
    read = reading.read

    def slow(query: Any) -> Any:
        rows = read(query)
        if threading.current_thread() is thread:
            has_read.set()
            may_go_on.wait(20)
        return rows

    def read_slowly() -> None:
        answers.append(bob.get(where(task)))
        connections.close_all()

    answers: list[Any] = []
    thread = threading.Thread(target=read_slowly)
    monkeypatch.setattr(reading, "read", slow)
    thread.start()
    assert has_read.wait(20)
    changed = alice.patch(where(task), {"title": "two"}).json()
    if left == "nothing":
        drop(redis, task["id"])
    may_go_on.set()
    thread.join()
    assert answers[0].json() == task
    assert_nobody_gets_the_old_one([alice, caller(tokens, "ada")] if left == "its bytes" else [alice], task, changed)


def assert_nobody_gets_the_old_one(readers: list[Caller], task: dict[str, Any], changed: dict[str, Any]) -> None:
    for reader in readers:
        assert [reader.get(where(task)).json() for _ in range(2)] == [changed] * 2


def test_cache_the_list_of_a_lagging_replica_is_not_kept_for_its_writer(
    task: dict[str, Any], tokens: Mint, redis: Any
) -> None:
    """What the caller wrote is forgotten, that his list was touched is not: even then the old list is not kept."""
    alice = caller(tokens, "alice")
    more = alice.make(title="two")
    redis.delete(f"tm:{{{alice.id}}}:wrote")
    assert alice.get("/v1/tasks").json()["results"][0] == task
    assert entries(redis, alice.id) == []
    token = alice.patch(where(more), {"title": "three"}).headers["Consistency-Token"]
    first = alice.get("/v1/tasks", headers={"consistency-token": token}).json()["results"][0]
    assert first["title"] == "three"
    assert ITSELF.encode() not in redis.hkeys(Place(alice.id, "").shelf)
