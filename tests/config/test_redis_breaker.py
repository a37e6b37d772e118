"""A Redis that is killed, frozen, full or new costs one failed call, and then nothing until it answers again."""

import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest

from config.cache import gate, memory
from config.cache import redis as house_redis
from config.cache.redis import Unavailable
from tests.cast import Caller
from tests.config.servers import LONG_AGO, OwnRedis, eventually

pytestmark = pytest.mark.stack


def failures() -> int:
    return int(house_redis.FAILURES._value.get())


def assert_left_alone(before: int) -> None:
    """One call has failed; a hundred more do not even try."""
    for _ in range(100):
        with pytest.raises(Unavailable):
            house_redis.call("GET", "a")
    assert failures() == before + 1
    assert house_redis.available() is False


def call_fails() -> None:
    with pytest.raises(Unavailable):
        house_redis.call("GET", "a")


def test_a_killed_redis_is_left_alone_until_it_is_back(own: OwnRedis) -> None:
    assert house_redis.call("SET", "a", "1") == b"OK"
    before = failures()
    own.kill()
    call_fails()
    assert_left_alone(before)
    own.start()
    eventually(house_redis.available, "the breaker closes")
    assert house_redis.call("GET", "a") is None


def test_a_frozen_redis_is_left_alone_until_it_is_back(own: OwnRedis) -> None:
    house_redis.call("SET", "a", "1")
    before = failures()
    own.freeze()
    call_fails()
    assert_left_alone(before)
    own.thaw()
    eventually(house_redis.available, "the breaker closes")
    assert house_redis.call("GET", "a") == b"1"


@pytest.mark.django_db(transaction=True)
def test_while_it_is_left_alone_no_call_of_the_api_touches_a_socket(
    own: OwnRedis, alice: Caller, touched: list[str]
) -> None:
    """Of Python's: PostgreSQL's are its library's. So what a call loses to Redis is a look at a flag."""

    def calls() -> int:
        task = alice.make()
        for path in (f"/v1/tasks/{task['id']}", "/v1/tasks", "/v1/tasks?sort=due_at", "/v1/me"):
            assert alice.get(path).status_code == 200
        assert alice.patch(f"/v1/tasks/{task['id']}", {"title": "changed"}).status_code == 200
        assert alice.delete(f"/v1/tasks/{task['id']}").status_code == 204
        seen = len(touched)
        touched.clear()
        return seen

    calls()  # it has fetched the signing keys
    assert calls() > 0
    own.freeze()
    call_fails()
    touched.clear()
    assert calls() == 0
    own.thaw()
    eventually(house_redis.available, "the breaker closes")
    assert calls() > 0


@pytest.fixture
def touched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What this thread does with sockets; the probe has a thread of its own."""
    names, me = list[str](), threading.get_ident()

    def counted(name: str) -> Callable[..., Any]:
        plain = getattr(socket.socket, name)

        def call(*arguments: Any) -> Any:
            if threading.get_ident() == me:
                names.append(name)
            return plain(*arguments)

        return call

    for name in ("connect", "send", "sendall", "recv", "recv_into"):
        monkeypatch.setattr(socket.socket, name, counted(name))
    return names


def test_a_late_answer_is_not_given_to_the_next_question(own: OwnRedis) -> None:
    house_redis.call("SET", "a", "answer to the first question")
    house_redis.call("SET", "b", "answer to the second question")
    own.freeze()
    call_fails()
    own.thaw()
    eventually(house_redis.available, "the breaker closes")
    assert house_redis.call("GET", "b") == b"answer to the second question"


def test_a_full_redis_is_left_alone_until_it_takes_writes_again(own: OwnRedis) -> None:
    assert gate.enter("alice", session=None, issued_at=0).redis_down is False
    before = failures()
    own.fill()
    assert gate.enter("alice", session=None, issued_at=0).redis_down is True
    assert_left_alone(before)
    own.empty()
    eventually(house_redis.available, "the breaker closes")
    assert gate.enter("alice", session=None, issued_at=0).redis_down is False


def test_a_redis_that_was_never_there_fails_no_call(own: OwnRedis) -> None:
    own.kill()
    before = failures()
    verdict = gate.enter("alice", session=None, issued_at=0)
    assert (verdict.redis_down, verdict.limited, verdict.denied) == (True, False, False)
    assert_left_alone(before)
    own.start()


def test_without_a_thread_to_probe_it_redis_is_asked_again(own: OwnRedis, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_more(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    own.kill()
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", no_more)
        call_fails()
        assert house_redis.available() is True
        call_fails()
    own.start()
    assert house_redis.call("GET", "a") is None


def test_a_long_outage_ends_too(own: OwnRedis) -> None:
    """A minute of it is more probes than a pool of redis-py makes connections."""
    own.kill()
    call_fails()
    assert not any(house_redis._answers() for _ in range(120))
    own.start()
    eventually(house_redis.available, "the breaker closes")
    assert house_redis.call("SET", "a", "1") == b"OK"


def test_what_is_owed_makes_it_ask_at_once(own: OwnRedis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until Redis has heard it, another process that never saw it away may serve what a write has replaced."""
    breaker, asked = house_redis._breaker, list[bool]()
    answers = breaker._answers

    def ask() -> bool:
        asked.append(answers())
        return asked[-1]

    monkeypatch.setattr(breaker, "_answers", ask)
    monkeypatch.setattr("config.breaker.PROBE_EVERY", 600.0)
    own.kill()
    call_fails()
    eventually(lambda: asked, "the first question")
    own.start()
    own.client.set(memory.KEY, LONG_AGO)
    memory.forget()
    eventually(house_redis.available, "the breaker closes")
    assert own.client.get(memory.KEY) is None


def test_a_restart_between_two_calls_fails_none(own: OwnRedis) -> None:
    assert house_redis.call("SET", "a", "1") == b"OK"
    before = failures()
    own.kill()
    own.start()
    assert house_redis.call("GET", "a") is None
    own.client.client_kill_filter(_type="normal", skipme=True)
    assert house_redis.call("GET", "a") is None
    assert failures() == before


def test_a_process_may_reconnect_without_end(own: OwnRedis) -> None:
    for _ in range(120):
        house_redis._local.connection = None
        assert house_redis.call("SET", "a", "1") == b"OK"


def test_each_thread_loses_one_call_at_most(own: OwnRedis) -> None:
    answers: list[bool] = []
    ready = threading.Barrier(9)

    def calls() -> None:
        house_redis.call("GET", "a")
        ready.wait()
        ready.wait()
        for _ in range(20):
            answers.append(gate.enter("alice", session=None, issued_at=0).redis_down)

    threads = [threading.Thread(target=calls) for _ in range(8)]
    for thread in threads:
        thread.start()
    ready.wait()
    before = failures()
    own.freeze()
    ready.wait()
    for thread in threads:
        thread.join()
    assert answers == [True] * 160
    assert failures() - before <= 8


def test_a_restarted_redis_is_given_its_scripts_again(own: OwnRedis) -> None:
    assert gate.enter("alice", session=None, issued_at=0).usage.remaining > 0
    own.client.script_flush()
    before = failures()
    assert gate.enter("alice", session=None, issued_at=0).redis_down is False
    gate.remember_write("alice", 7)
    assert gate.enter("alice", session=None, issued_at=0).wrote == (7,)
    assert failures() == before


def test_a_script_travels_by_its_digest(own: OwnRedis) -> None:
    own.client.set(memory.KEY, LONG_AGO)
    for _ in range(10):
        gate.enter("alice", session=None, issued_at=0)
    stats = own.client.info("commandstats")
    assert stats["cmdstat_eval"]["calls"] == 1
    assert stats["cmdstat_evalsha"]["calls"] == 10


def test_one_call_of_the_api_is_one_command(own: OwnRedis) -> None:
    gate.enter("alice", session="s", issued_at=0)
    own.client.config_resetstat()
    gate.enter("alice", session="s", issued_at=0)
    stats = {name: stat["calls"] for name, stat in own.client.info("commandstats").items()}
    assert stats["cmdstat_evalsha"] == 1
    assert not {"cmdstat_keys", "cmdstat_scan", "cmdstat_select", "cmdstat_ping"} & stats.keys()
