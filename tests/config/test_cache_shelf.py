"""What is kept is what was committed last, whatever the order in which transactions, reads and fills come and go."""

import threading
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from config.cache import redis as house_redis
from config.cache import shelf
from config.cache.memory import Memory
from config.cache.shelf import Look, Place, Read
from config.data import snapshots
from tests.config.servers import LONG_AGO

PLACE = Place("subject", "field")
MEMORY = Memory(LONG_AGO.encode(), 0, young=False)


def look(memory: Memory = MEMORY) -> Look:
    found = Look(PLACE)
    now = house_redis.call("TIME")
    house_redis.call("DEL", PLACE.lease)  # leases have a test of their own
    found.take(Memory(memory.name, int(now[0]) * 1000, memory.young), house_redis.run(found.command()))
    return found


def kept() -> bytes | None:
    return look()._kept(lambda payload: payload)


def fill(by: Look, payload: bytes, seen: str) -> None:
    by._fill(lambda: Read(payload, seen, payload))


class Shelf(RuleBasedStateMachine):
    """One subject and its writers, other transactions beside them; readers of a primary and of a lagging standby."""

    MOST_WRITERS = 1  # at a time: a task's row has one; a user's list may have many

    def __init__(self) -> None:
        super().__init__()
        house_redis.call("DEL", PLACE.shelf)
        self.next = 100
        self.running, self.writers, self.committed = set[int](), set[int](), set[int]()
        self.past: list[tuple[int, bytes]] = []
        self.reads: list[tuple[Look, bytes, str]] = []

    def begin(self) -> int:
        self.next += 1
        self.running.add(self.next - 1)
        return self.next - 1

    def oldest(self) -> int:
        return min(self.running, default=self.next)

    def state(self) -> bytes:
        return repr(sorted(self.committed)).encode()

    @rule()
    def another_begins(self) -> None:
        self.begin()

    @precondition(lambda self: self.running - self.writers)
    @rule(data=st.data())
    def another_ends(self, data: Any) -> None:
        self.running.remove(data.draw(st.sampled_from(sorted(self.running - self.writers))))

    @precondition(lambda self: len(self.writers) < self.MOST_WRITERS)
    @rule(data=st.data())
    def a_write_is_about_to_commit(self, data: Any) -> None:
        """By a new transaction; of many writers also by one that has begun before others."""
        others = sorted(self.running - self.writers) if self.MOST_WRITERS > 1 else []
        xid = data.draw(st.sampled_from(others)) if others and data.draw(st.booleans()) else self.begin()
        self.writers.add(xid)
        house_redis.run(shelf.touch(PLACE.subject, xid))

    @precondition(lambda self: self.writers)
    @rule(data=st.data(), how=st.sampled_from(["shown", "killed after the commit", "rolled back"]))
    def a_write_ends(self, data: Any, how: str) -> None:
        xid = data.draw(st.sampled_from(sorted(self.writers)))
        self.writers.remove(xid)
        self.running.remove(xid)
        if how == "rolled back":
            return
        self.committed.add(xid)
        if how == "shown" and self.MOST_WRITERS == 1:
            house_redis.run(shelf.show(PLACE, xid, look()._memory, self.state()))
        elif how == "shown":
            house_redis.run(shelf.touch(PLACE.subject, xid))

    @rule()
    def somebody_reads_the_primary(self) -> None:
        running = ",".join(map(str, sorted(self.running)))
        self.reads.append((look(), self.state(), f"{self.oldest()}:{self.next}:{running}"))

    @precondition(lambda self: self.past)
    @rule(data=st.data())
    def somebody_reads_a_standby(self, data: Any) -> None:
        oldest, state = data.draw(st.sampled_from(self.past))
        self.reads.append((look(), state, str(oldest)))

    @precondition(lambda self: self.reads)
    @rule(data=st.data())
    def a_fill_arrives(self, data: Any) -> None:
        fill(*self.reads.pop(data.draw(st.integers(0, len(self.reads) - 1))))

    @invariant()
    def what_is_kept_was_committed_last(self) -> None:
        self.past.append((self.oldest(), self.state()))
        found = kept()
        assert found in {None, self.state()}
        assert not (found and self.writers), "a write that is about to commit leaves nothing"


class ListShelf(Shelf):
    MOST_WRITERS = 25


@pytest.mark.parametrize("machine", [Shelf, ListShelf])
def test_nothing_that_a_write_has_replaced_is_ever_served(redis: Any, machine: type[Shelf]) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=25, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


@pytest.mark.parametrize("writers", [2, 16, 17, 40])
def test_of_many_writers_the_oldest_may_commit_last(redis: Any, writers: int) -> None:
    for xid in range(100 + writers, 99, -1):
        house_redis.run(shelf.touch(PLACE.subject, xid))
    fill(look(), b"without the oldest", f"100:{101 + writers}:100")
    assert kept() is None
    fill(look(), b"with it", f"{101 + writers}:{101 + writers}:")
    assert kept() == b"with it"


def test_a_fill_of_an_earlier_memory_is_a_miss(redis: Any) -> None:
    fill(look(Memory(b"2" * 16, 0, young=False)), b"old", "100")
    assert redis.hexists(PLACE.shelf, PLACE.field)
    assert kept() is None


def test_a_fill_that_comes_after_a_minute_is_refused(redis: Any) -> None:
    late = look()
    late._memory = Memory(MEMORY.name, late._memory.now - shelf.LATE - 2_000, young=False)
    fill(late, b"late", "100")
    assert kept() is None


def test_entries_end_and_not_all_at_once(redis: Any, settings: Any) -> None:
    settings.CACHE_TTL = 100.0
    lives = set()
    for _ in range(20):
        redis.delete(PLACE.shelf)
        fill(look(), b"x", "100")
        lives.add(redis.pttl(PLACE.shelf))
    assert all(49_000 < life <= 100_000 for life in lives)
    assert max(lives) - min(lives) > 5_000
    settings.CACHE_TTL = 0.001
    fill(look(), b"x", "100")
    threading.Event().wait(0.01)
    assert kept() is None


def test_a_touch_outlives_the_entries(redis: Any) -> None:
    house_redis.run(shelf.touch(PLACE.subject, 100))
    fill(look(), b"x", "101")
    assert kept() == b"x"
    assert redis.pttl(PLACE.shelf) > 500_000


@pytest.mark.parametrize(
    ("seen", "xid", "expected"),
    [
        ("100", 99, True),
        ("100", 100, False),
        ("100:103:100,102", 101, True),
        ("100:103:100,102", 102, False),
        ("100:103:100,102", 103, False),
        ("100:100:", 99, True),
        ("100:100:", 100, False),
        ("10:13:110", 11, True),
    ],
)
def test_what_a_snapshot_had_seen_is_the_same_in_both_languages(
    redis: Any, seen: str, xid: int, expected: bool
) -> None:
    assert snapshots.had_seen(seen, xid) is expected
    house_redis.run(shelf.touch(PLACE.subject, xid))
    fill(look(), b"x", seen)
    assert (kept() == b"x") is expected


def test_of_readers_that_miss_one_reads(redis: Any) -> None:
    first, second = Look(PLACE), Look(PLACE)
    now = int(house_redis.call("TIME")[0]) * 1000
    for one in (first, second):
        one.take(Memory(MEMORY.name, now, young=False), house_redis.run(one.command()))
    assert (first._leads, first._waits, second._leads, second._waits) == (True, False, False, True)
    answers: list[bytes] = []
    waiting = threading.Thread(target=lambda: answers.append(second.read("t", bytes, lambda: Read(b"second"))))
    waiting.start()
    assert first.read("t", bytes, lambda: Read(b"first", "100", b"first")) == b"first"
    waiting.join()
    assert answers == [b"first"]


def test_who_waits_reads_himself_when_the_first_finds_nothing_or_fails(redis: Any) -> None:
    def fails() -> Read[bytes]:
        raise ZeroDivisionError

    for load in (lambda: Read(b"nothing"), fails):
        first, second = Look(PLACE), Look(PLACE)
        for one in (first, second):
            one.take(MEMORY, house_redis.run(one.command()))
        if load is fails:
            with pytest.raises(ZeroDivisionError):
                first.read("t", bytes, load)
        else:
            first.read("t", bytes, load)
        assert second.read("t", bytes, lambda: Read(b"second")) == b"second"
        assert not redis.exists(PLACE.lease)


def test_a_lease_of_one_who_died_ends_by_itself(redis: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf, "LEASE", 50)
    first, second = Look(PLACE), Look(PLACE)
    for one in (first, second):
        one.take(MEMORY, house_redis.run(one.command()))
    assert second.read("t", bytes, lambda: Read(b"second")) == b"second"


def test_who_may_not_wait_long_reads_himself_while_another_still_reads(
    redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shelf, "LEASE", 5_000)
    monkeypatch.setattr(shelf, "longest_wait", 0.05)
    first, second = Look(PLACE), Look(PLACE)
    for one in (first, second):
        one.take(MEMORY, house_redis.run(one.command()))
    assert second.read("t", bytes, lambda: Read(b"second")) == b"second"
    assert redis.pttl(PLACE.lease) > 1_000, "it is still the first one's"
