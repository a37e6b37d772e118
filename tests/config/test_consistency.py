"""Read-your-writes through the API, with a replica that stands still; and the token that carries it elsewhere."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.cache import redis as house_redis
from config.cache.redis import Unavailable
from config.data import consistency, replicas
from tests.accounts.keycloak import Mint
from tests.cast import Caller, assert_problem
from tests.config.conftest import caller
from tests.config.postgres_pair import PostgresPair

TOKEN = "Consistency-Token"


@given(st.integers(0, 2**63 - 1))
def test_a_token_comes_back_as_the_transaction(xid: int) -> None:
    assert consistency.decode(consistency.encode(xid)) == xid


@given(st.integers(0, 40), st.characters(codec="ascii"))
def test_a_changed_token_is_malformed(at: int, other: str) -> None:
    token = consistency.encode(123_456)
    at %= len(token)
    changed = token[:at] + other + token[at + 1 :]
    if changed != token:
        with pytest.raises(consistency.MalformedToken):
            consistency.decode(changed)


@pytest.mark.parametrize("token", ["", "123", "123:", ":", "x" * 5000, "123:abc:def"])
def test_what_is_no_token_is_malformed(token: str) -> None:
    with pytest.raises(consistency.MalformedToken):
        consistency.decode(token)


@pytest.fixture(autouse=True)
def nothing_is_kept(settings: Any) -> None:
    """A database answers each read."""
    settings.CACHE_TTL = 0.0


def on_replica(call: Callable[[], Any]) -> tuple[Any, bool]:
    before = replicas.READS.labels("replica-1")._value.get()
    answer = call()
    return answer, replicas.READS.labels("replica-1")._value.get() > before


def test_a_writer_sees_his_own_writes_at_once(paused: PostgresPair, tokens: Mint) -> None:
    alice = caller(tokens, "alice")
    task = alice.make(title="one")
    where = f"/v1/tasks/{task['id']}"
    assert alice.get(where).json() == task
    changed = alice.patch(where, {"title": "two"}).json()
    assert alice.get(where).json() == changed
    assert changed in alice.get("/v1/tasks").json()["results"]
    assert alice.delete(where).status_code == 204
    assert alice.get(where).status_code == 404
    assert alice.get("/v1/trash").json()["results"][0]["id"] == task["id"]


def test_another_reader_gets_an_older_state_from_the_replica_and_never_an_error(
    paused: PostgresPair, tokens: Mint
) -> None:
    bob = caller(tokens, "bob")
    answer, replica = on_replica(lambda: bob.get("/v1/tasks"))
    assert (answer.status_code, replica) == (200, True)


def test_the_token_makes_anybody_see_the_write(paused: PostgresPair, tokens: Mint) -> None:
    alice, bob = caller(tokens, "alice"), caller(tokens, "bob")
    made = alice.post("/v1/tasks", {"title": "for bob", "assignee": bob.id})
    where = f"/v1/tasks/{made.json()['id']}"
    stale, replica = on_replica(lambda: bob.get(where))
    assert (stale.status_code, replica) == (404, True)
    answer, replica = on_replica(lambda: bob.get(where, headers={TOKEN: made.headers[TOKEN]}))
    assert (answer.status_code, answer.json(), replica) == (200, made.json(), False)


def test_a_token_that_the_replica_has_costs_the_primary_nothing(paused: PostgresPair, tokens: Mint) -> None:
    alice, bob = caller(tokens, "alice"), caller(tokens, "bob")
    made = alice.post("/v1/tasks", {"title": "x", "assignee": bob.id})
    paused.resume()
    paused.catch_up()
    where = f"/v1/tasks/{made.json()['id']}"
    answer, replica = on_replica(lambda: bob.get(where, headers={TOKEN: made.headers[TOKEN]}))
    assert (answer.status_code, replica) == (200, True)
    paused.pause()


def test_a_token_from_the_future_is_answered_from_the_primary(paused: PostgresPair, tokens: Mint) -> None:
    bob = caller(tokens, "bob")
    future = consistency.encode(2**50)
    answer, replica = on_replica(lambda: bob.get("/v1/tasks", headers={TOKEN: future}))
    assert (answer.status_code, replica) == (200, False)


def test_a_malformed_token_is_400_after_the_caller_is_known(paused: PostgresPair, tokens: Mint) -> None:
    forged = consistency.encode(7)[:-1]
    assert_problem(caller(tokens, "bob").get("/v1/tasks", headers={TOKEN: forged}), 400, "bad-request")
    assert_problem(Caller(None, None).get("/v1/tasks", headers={TOKEN: forged}), 401)


def test_without_redis_nobody_knows_who_wrote_so_everybody_reads_the_primary(
    paused: PostgresPair, tokens: Mint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(house_redis, "_ask", _unavailable)
    alice = caller(tokens, "alice")
    task = alice.make()
    answer, replica = on_replica(lambda: alice.get(f"/v1/tasks/{task['id']}"))
    assert (answer.status_code, replica) == (200, False)


def _unavailable(*_: Any) -> Any:
    raise Unavailable


def test_a_replay_makes_its_caller_see_the_write_too(paused: PostgresPair, tokens: Mint, redis: Any) -> None:
    """The first answer was lost with the process that gave it, and with what Redis was told."""
    alice = caller(tokens, "alice")
    first = alice.post("/v1/tasks", {"title": "once"}, idempotency_key="k-lost")
    redis.flushdb()
    again = alice.post("/v1/tasks", {"title": "once"}, idempotency_key="k-lost")
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.headers[TOKEN] == first.headers[TOKEN]
    assert alice.get(first.headers["Location"]).json() == first.json()


def test_a_dead_replica_fails_no_read(paused: PostgresPair, tokens: Mint) -> None:
    bob = caller(tokens, "bob")
    assert bob.get("/v1/tasks").status_code == 200
    paused.stop("replica")
    try:
        assert [bob.get("/v1/tasks").status_code for _ in range(3)] == [200, 200, 200]
    finally:
        paused.start("replica")
        paused.pause()


def test_while_the_primary_is_down_reads_go_on_and_writes_say_when_to_come_back(
    paused: PostgresPair, tokens: Mint
) -> None:
    bob = caller(tokens, "bob")
    paused.stop("primary")
    try:
        assert bob.get("/v1/tasks").status_code == 200
        refused = bob.post("/v1/tasks", {"title": "x"})
        assert_problem(refused, 503, "temporary-reduced-capacity")
        assert int(refused.headers["Retry-After"]) >= 1
        assert bob.get("/v1/tasks").status_code == 200
    finally:
        paused.start("primary")
    assert bob.post("/v1/tasks", {"title": "x"}).status_code in {201, 503}
    assert bob.post("/v1/tasks", {"title": "x"}).status_code == 201
