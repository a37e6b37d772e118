"""The sliding window: never more than the quota in any window of its length. The script itself, with a clock of
the test's own, on a real Redis; and the same promises for the window that a process keeps while Redis is down.
"""

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.cache import gate, local_window
from config.env import Rate

SCRIPT = gate._WINDOW + (
    "return window(KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]))"
)
START = 1_790_000_000_123  # milliseconds
Window = Callable[..., tuple[bool, int, int]]
on_one_redis = settings(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)


@pytest.fixture
def window(redis: Any) -> Window:
    def call(now: int, *, limit: int, length: int, cost: int = 1, key: str = "w") -> tuple[bool, int, int]:
        allowed, remaining, reset, _ = redis.eval(SCRIPT, 1, key, limit, length, now, cost)
        return allowed == 1, remaining, reset

    return call


def most_in_any_window(times: list[int], length: int) -> int:
    """The most calls in any half-open window of `length`."""
    return max((sum(1 for later in times if start <= later < start + length) for start in times), default=0)


def gaps(chance: random.Random) -> Iterator[int]:
    """Milliseconds between calls: bursts, a steady stream, and returns just before and after a whole window."""
    for _ in range(300):
        kinds = (0, chance.randrange(20), chance.randrange(700), chance.randrange(980, 1020), 5000)
        yield chance.choices(kinds, weights=(8, 8, 4, 4, 1))[0]


@pytest.mark.parametrize("seed", range(16))
def test_no_window_ever_holds_more_than_the_quota(window: Window, seed: int) -> None:
    chance = random.Random(seed)
    limit, now, admitted = seed // 2 + 1, START + chance.randrange(1000), []
    for gap in gaps(chance):
        now += gap
        allowed, remaining, _ = window(now, limit=limit, length=1000)
        if allowed:
            admitted.append(now)
        assert 0 <= remaining <= limit
    assert most_in_any_window(admitted, 1000) <= limit


@pytest.mark.parametrize("seed", range(16))
def test_a_refused_call_passes_after_the_time_that_it_was_told(window: Window, seed: int) -> None:
    chance = random.Random(seed)
    limit, now = seed // 2 + 1, START + chance.randrange(1000)
    for gap in gaps(chance):
        now += gap
        allowed, remaining, reset = window(now, limit=limit, length=1000)
        if not allowed:
            assert (remaining, 0 < reset <= 1000) == (0, True)
            now += reset
            assert window(now, limit=limit, length=1000)[0]


def test_a_quiet_caller_gets_the_whole_quota_again_after_a_window(window: Window) -> None:
    for _ in range(5):
        assert window(START, limit=5, length=60_000)[0]
    assert window(START + 59_999, limit=5, length=60_000)[:2] == (False, 0)
    later = START + 60_000
    assert [window(later, limit=5, length=60_000)[:2] for _ in range(6)] == [
        (True, 4), (True, 3), (True, 2), (True, 1), (True, 0), (False, 0),
    ]  # fmt: skip


def test_nobody_is_told_to_wait_for_longer_than_a_window(window: Window) -> None:
    slot = 1000
    for now in range(START - START % slot, START + 2 * slot, 100):  # at each place in a slot
        assert 0 < window(now, limit=3, length=60 * slot)[2] <= 60 * slot


def test_a_burst_across_the_windows_edge_is_one_quota(window: Window) -> None:
    edge = 1_790_000_040_000  # a whole minute: where a fixed window would begin anew
    before = [window(edge - 1, limit=100, length=60_000)[0] for _ in range(100)]
    after = [window(edge + 1, limit=100, length=60_000)[0] for _ in range(100)]
    assert (sum(before), sum(after)) == (100, 0)


def test_a_call_of_no_cost_is_told_and_not_counted(window: Window) -> None:
    assert [window(START, limit=1, length=1000, cost=0)[:2] for _ in range(3)] == [(True, 1)] * 3
    assert window(START, limit=1, length=1000)[0]
    assert window(START, limit=1, length=1000, cost=0)[:2] == (True, 0)


def test_a_cost_of_several_counts_as_several_or_not_at_all(window: Window) -> None:
    assert window(START, limit=10, length=1000, cost=7)[:2] == (True, 3)
    assert window(START, limit=10, length=1000, cost=4)[:2] == (False, 3)
    assert window(START, limit=10, length=1000, cost=3)[:2] == (True, 0)


def test_callers_do_not_count_for_each_other(window: Window) -> None:
    assert window(START, limit=1, length=1000, key="a")[0]
    assert window(START, limit=1, length=1000, key="b")[0]


@on_one_redis
@given(steps=st.lists(st.integers(-3000, 3000), min_size=5, max_size=80))
def test_a_clock_that_jumps_leaves_nothing_counted_for_ever(redis: Any, window: Window, steps: list[int]) -> None:
    redis.delete("w")
    now = START
    for step in steps:
        now += step
        window(now, limit=50, length=1000)
    # One window after the highest time that was seen everything is out again.
    quiet = max([START, *(START + sum(steps[:n]) for n in range(len(steps) + 1))]) + 2100
    assert window(quiet, limit=50, length=1000)[:2] == (True, 49)


def test_the_key_is_gone_when_it_says_nothing_any_more(redis: Any, window: Window) -> None:
    window(START, limit=5, length=60_000)
    assert 60_000 < redis.pttl("w") <= 62_000


def test_memory_is_bounded_however_many_calls_there_are(redis: Any, window: Window) -> None:
    for n in range(2000):
        window(START + n * 10, limit=100_000, length=1000)
    assert redis.hlen("w") <= 128  # what Redis keeps in one piece


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(local_window, "time", clock)
    monkeypatch.setattr(local_window, "_calls", type(local_window._calls)())
    return clock


@pytest.mark.parametrize("seed", range(8))
def test_a_process_alone_keeps_its_share(clock: Clock, seed: int) -> None:
    chance = random.Random(seed)
    admitted, rate = [], Rate(seed + 1, 1)
    for gap in gaps(chance):
        clock.now += gap / 1024  # exact in floats
        allowed, remaining, reset = local_window.hit("x", rate, 1)
        assert 0 <= remaining <= rate.limit
        if not allowed:
            clock.now += reset
            assert local_window.hit("x", rate, 1)[0]
        admitted.append(int(clock.now * 1024))
    assert most_in_any_window(admitted, 1024) <= rate.limit


def test_a_process_alone_gives_a_call_back(clock: Clock) -> None:
    assert [local_window.hit("x", Rate(2, 60), 1)[0] for _ in range(3)] == [True, True, False]
    local_window.refund("x")
    assert [local_window.hit("x", Rate(2, 60), 1)[0] for _ in range(2)] == [True, False]
    local_window.refund("nobody")
    assert local_window.hit("nobody", Rate(2, 60), 1)[:2] == (True, 1)


def test_a_flood_of_addresses_does_not_fill_the_memory(clock: Clock) -> None:
    for number in range(local_window._MOST_CALLERS + 500):
        local_window.hit(f"10.0.{number}", Rate(5, 60), 1)
    assert len(local_window._calls) == local_window._MOST_CALLERS
