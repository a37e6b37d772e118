"""One question to Redis a call: denied, over a limit, behind a write? And what is answered without Redis."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from config.cache import gate, local_window, marks
from config.cache import redis as house_redis

ROOT = Path(__file__).resolve().parents[2]
NOW = int(time.time())
Limits = Callable[..., None]


def enter(subject: str = "alice", session: str | None = "s1", issued_at: int = NOW, cost: int = 1) -> gate.Verdict:
    return gate.enter(subject, session=session, issued_at=issued_at, cost=cost)


def test_a_caller_is_admitted_up_to_his_quota(redis: Any, limits: Limits) -> None:
    limits(user=(3, 60))
    verdicts = [enter() for _ in range(4)]
    assert [verdict.limited for verdict in verdicts] == [False, False, False, True]
    assert [verdict.usage.remaining for verdict in verdicts] == [2, 1, 0, 0]
    assert all(0 < verdict.usage.reset <= 61 for verdict in verdicts)
    assert not enter("bob").limited


def test_each_policy_counts_by_itself(redis: Any, limits: Limits) -> None:
    limits(user=(1, 60), ip=(2, 60), task=(1, 60))
    assert not enter("x").limited
    assert [gate.count("ip", "x").allowed for _ in range(3)] == [True, True, False]
    assert [gate.count("task", "x").allowed for _ in range(2)] == [True, False]


def test_what_counts_beside_is_counted_in_the_same_round_trip(
    redis: Any, limits: Limits, round_trips: list[int]
) -> None:
    limits(user=(3, 60), task=(2, 60))
    redis.script_flush()
    enter()
    round_trips.clear()
    verdicts = [gate.enter("alice", session=None, issued_at=NOW, beside=("task", "t:alice")) for _ in range(2)]
    assert len(round_trips) == 3, "the first one has brought the script, the second one is one round trip"
    assert [verdict.beside and verdict.beside.remaining for verdict in verdicts] == [1, 0]


def test_who_is_not_let_in_does_not_count_beside(redis: Any, limits: Limits) -> None:
    limits(user=(1, 60), task=(2, 60))
    beside = ("task", "t:alice")
    assert not gate.enter("alice", session=None, issued_at=NOW, beside=beside).limited
    for _ in range(5):
        assert gate.enter("alice", session=None, issued_at=NOW, beside=beside).limited
    assert gate.count(*beside).remaining == 0, "this is the second one"
    gate.deny_issued_before("bob", NOW, 60)
    assert gate.enter("bob", session=None, issued_at=NOW, beside=("task", "t:bob")).denied
    assert gate.count("task", "t:bob").remaining == 1


@pytest.fixture
def round_trips(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many commands went in each."""
    sent: list[int] = []
    ask = house_redis._ask

    def asked(commands: Sequence[Any]) -> list[Any]:
        sent.append(len(commands))
        return ask(commands)

    monkeypatch.setattr(house_redis, "_ask", asked)
    return sent


def test_many_are_counted_in_one_round_trip_each_by_itself(redis: Any, limits: Limits, round_trips: list[int]) -> None:
    limits(task=(2, 60))
    redis.script_flush()
    whos = ["a", *(f"{n}" for n in range(97)), "a", "a"]
    usages = gate.count_each("task", whos)
    assert round_trips == [100, 100], "a Redis that has lost its scripts is told them at once"
    assert [usage.who for usage in usages] == whos
    assert [usage.remaining for usage in usages] == [1] * 98 + [0, 0]
    assert [usage.allowed for usage in usages] == [True] * 99 + [False]
    assert [usage.allowed for usage in gate.count_each("task", ["1", "a"])] == [True, False]
    assert round_trips == [100, 100, 2]


def test_junk_under_one_of_many_takes_no_limit_off_the_others(redis: Any, limits: Limits) -> None:
    limits(task=(1, 60))
    assert gate.count("task", "full").allowed
    redis.set("tm:{junk}:task", "junk")
    assert [usage.allowed for usage in gate.count_each("task", ["junk", "full"])] == [True, False]


def test_a_refund_gives_exactly_one_call_back(redis: Any, limits: Limits) -> None:
    limits(user=(2, 60))
    first = enter().usage
    assert enter().usage.remaining == 0
    assert gate.refund(first).remaining == 2
    assert [enter().limited for _ in range(2)] == [False, True]


def test_a_refund_after_the_window_takes_nothing_below_zero(redis: Any, limits: Limits) -> None:
    limits(user=(2, 60))
    usage = enter().usage
    redis.flushdb()
    gate.refund(usage)
    assert [enter().limited for _ in range(3)] == [False, False, True]


CALLS = """
import sys, threading, django
django.setup()
from config.cache import gate
from config.cache import redis
admitted = []
def calls():
    for _ in range(25):
        verdict = gate.enter("flood", session=None, issued_at=0)
        assert not verdict.redis_down
        admitted.append(not verdict.limited)
threads = [threading.Thread(target=calls) for _ in range(4)]
redis.call("PING")
print("ready", flush=True)
sys.stdin.readline()
for thread in threads: thread.start()
for thread in threads: thread.join()
print(sum(admitted), len(admitted))
"""


def test_400_parallel_calls_of_four_processes_at_a_limit_of_100_are_100(redis: Any) -> None:
    environment = {**os.environ, "RATE_LIMIT_USER": "100/m", "CACHE_TIMEOUT": "5s"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", CALLS],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    counts = [process.communicate(timeout=60)[0].split() for process in processes]
    assert [sum(int(count[column]) for count in counts) for column in (0, 1)] == [100, 400]


def test_a_denied_session_is_refused_and_other_sessions_are_not(redis: Any) -> None:
    assert gate.deny_session("alice", "lost", 60)
    assert enter(session="lost").denied
    assert not enter(session="s1").denied
    assert not enter(session=None).denied
    assert not enter("bob", session="lost").denied


def test_tokens_issued_up_to_a_time_are_refused(redis: Any) -> None:
    assert gate.deny_issued_before("alice", NOW, 60)
    assert [enter(issued_at=NOW + later).denied for later in (-1, 0, 1)] == [True, True, False]
    assert not enter("bob").denied


def test_a_denial_ends_by_itself(redis: Any) -> None:
    gate.deny_session("alice", "lost", 60)
    gate.deny_issued_before("alice", NOW, 60)
    assert all(0 < redis.ttl(key) <= 60 for key in redis.keys("*denied*"))


def test_recent_writes_are_told_to_their_writer_only(redis: Any) -> None:
    assert enter().wrote == ()
    for xid in (7, 9, 8):
        gate.remember_write("alice", xid)
    assert set(enter().wrote) == {7, 8, 9}
    assert enter("bob").wrote == ()


def test_a_write_is_looked_for_as_long_as_a_replica_may_lack_it(redis: Any) -> None:
    gate.remember_write("alice", 7)
    key, lasts = "tm:{alice}:wrote", 1000 * marks.WRITE_MEMORY + marks.LEFT
    assert marks.LEFT < redis.pttl(key) <= lasts
    redis.pexpire(key, marks.LEFT)
    assert enter().wrote == ()
    redis.pexpire(key, 1000 * marks.WRITE_MEMORY)
    assert enter().wrote == (7,), "as the version before left it"
    gate.remember_write("alice", 8)
    assert 8 in enter().wrote
    assert redis.pttl(key) > marks.LEFT


def test_a_full_redis_lets_a_memory_of_writes_go_after_what_is_kept_of_reads(settings: Any) -> None:
    """It takes what ends first: a memory that is still looked for ends later than the newest read of anybody."""
    assert marks.LEFT > 1000 * settings.CACHE_TTL


def test_the_memory_of_writes_is_bounded(redis: Any) -> None:
    for xid in range(100):
        gate.remember_write("alice", xid)
    assert set(enter().wrote) == set(range(84, 100))


JUNK: list[tuple[str, Callable[[Any, str], Any]]] = [
    ("a text", lambda redis, key: redis.set(key, "junk")),
    ("a pickle", lambda redis, key: redis.set(key, b"\x80\x04\x95cos\nsystem\n(S'id'\ntR.")),
    ("a hash", lambda redis, key: redis.hset(key, "a", "b")),
    ("a list", lambda redis, key: redis.rpush(key, "junk", "\xff")),
]


@pytest.mark.parametrize("spoil", [case[1] for case in JUNK], ids=[case[0] for case in JUNK])
@pytest.mark.parametrize("what", ["user", "wrote", "denied", "denied:s1"])
def test_junk_under_a_key_fails_no_call_and_nobody_else_notices(
    redis: Any, what: str, spoil: Callable[[Any, str], Any]
) -> None:
    spoil(redis, f"tm:{{alice}}:{what}")
    verdict = enter()
    assert verdict.usage.allowed
    bob = enter("bob")
    assert (bob.redis_down, bob.denied) == (False, False), "the breaker is not opened by one caller's junk"


def test_a_junk_write_is_one_that_no_replica_has(redis: Any) -> None:
    redis.rpush("tm:{alice}:wrote", "junk")
    assert enter().wrote == (2**63 - 1,)


def test_a_junk_denial_denies(redis: Any) -> None:
    redis.set("tm:{alice}:denied", "junk")
    assert enter().denied


@pytest.mark.django_db
def test_a_write_is_unsettled_until_it_is_committed(redis: Any, django_capture_on_commit_callbacks: Any) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        marks.tell(7, actors={"alice"}, touched={"alice"}, left={})
        assert (enter().wrote, enter().writing) == ((), (7,))
    assert (enter().wrote, enter().writing) == ((7,), ())


@pytest.fixture
def without_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    """The breaker is open, as after a time-out, and stays so."""
    monkeypatch.setattr(house_redis._breaker, "_closed", threading.Event())
    monkeypatch.setattr(local_window, "_calls", type(local_window._calls)())


def test_without_redis_a_process_gives_its_share_of_the_quota(
    without_redis: None, settings: Any, limits: Limits
) -> None:
    limits(user=(9, 60))
    settings.API_PROCESSES = 4
    verdicts = [enter() for _ in range(3)]
    assert [verdict.limited for verdict in verdicts] == [False, False, True]
    assert all(verdict.redis_down and not verdict.denied and verdict.wrote == () for verdict in verdicts)
    assert verdicts[0].usage.rate.limit == 2
    assert gate.refund(verdicts[0].usage).remaining == 2


def test_without_redis_a_small_quota_is_at_least_one_call(without_redis: None, settings: Any, limits: Limits) -> None:
    limits(ip=(1, 60))
    settings.API_PROCESSES = 4
    assert [gate.count("ip", "10.0.0.1").allowed for _ in range(2)] == [True, False]


def test_without_redis_a_write_is_not_remembered_and_fails_nothing(without_redis: None) -> None:
    gate.remember_write("alice", 7)
    assert gate.deny_session("alice", "lost", 60) is False
    assert gate.deny_issued_before("alice", NOW, 60) is False
