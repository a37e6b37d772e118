"""An event loop asks Redis without waiting: right answers, and one failed round when Redis is killed or frozen."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest
from redis.exceptions import ResponseError

from config.cache import redis as house_redis
from config.cache.commands import Command
from config.cache.pipe import Pipe
from config.cache.redis import Unavailable
from tests.config.servers import OwnRedis, eventually

pytestmark = pytest.mark.stack
T = TypeVar("T")
Ask = Callable[..., Awaitable[list[Any]]]


def in_loop(work: Callable[[Ask], Awaitable[T]]) -> T:
    """`work` in an event loop; it is given a function that asks through one pipe."""

    async def run() -> T:
        loop = asyncio.get_running_loop()
        pipe = Pipe(loop)

        async def ask(*questions: list[tuple[Any, ...]]) -> list[Any]:
            told = loop.create_future()
            pipe.ask([[Command(words) for words in question] for question in questions], told.set_result)
            return list(await told)

        try:
            return await work(ask)
        finally:
            pipe._drop()

    return asyncio.run(run())


def be_busy(seconds: float) -> None:
    time.sleep(seconds)


def is_refused(answers: list[Any]) -> bool:
    return all(isinstance(answer, Unavailable) for answer in answers)


def failures() -> int:
    return int(house_redis.FAILURES._value.get())


def test_each_question_has_its_own_answers_and_an_error_is_one(own: OwnRedis) -> None:
    async def work(ask: Ask) -> list[Any]:
        return await ask([("SET", "a", "1"), ("GET", "a")], [], [("LPUSH", "a", "x")], [("GET", "b")])

    first, second, third, fourth = in_loop(work)
    assert (first, second, fourth) == ([b"OK", b"1"], [], [None])
    assert isinstance(third[0], ResponseError)


def test_an_answer_that_comes_in_pieces_is_waited_for(own: OwnRedis) -> None:
    own.client.set("large", b"x" * 3_000_000)

    async def work(ask: Ask) -> list[Any]:
        return [await ask([("GET", "large")], [("GET", "large")]), await ask([("GET", "none")])]

    [[one], [other]], [[none]] = in_loop(work)
    assert (len(one), len(other), none) == (3_000_000, 3_000_000, None)


def test_the_loop_goes_on_meanwhile(own: OwnRedis) -> None:
    async def work(ask: Ask) -> bool:
        await ask([("SET", "b", "1")])
        own.freeze()
        asking = asyncio.ensure_future(ask([("GET", "a")]))
        await asyncio.sleep(0)
        own.thaw()
        return await asking == [[None]]

    assert in_loop(work)


def test_a_frozen_redis_fails_one_round_and_then_is_left_alone(own: OwnRedis) -> None:
    before = failures()

    async def work(ask: Ask) -> list[Any]:
        await ask([("SET", "a", "the first")], [("SET", "b", "the second")])
        own.freeze()
        refused = [await ask([("GET", "a")], [("GET", "b")]) for _ in range(5)]
        own.thaw()
        await asyncio.to_thread(eventually, house_redis.available, "the breaker closes")
        return [*refused, await ask([("GET", "b")])]

    *refused, last = in_loop(work)
    assert all(is_refused(one) and len(one) == 2 for one in refused)
    assert failures() == before + 1
    assert last == [[b"the second"]], "the late answer to another question"


def test_a_redis_that_was_restarted_while_nobody_asked_fails_none(own: OwnRedis) -> None:
    before = failures()

    async def work(ask: Ask) -> list[Any]:
        await ask([("SET", "a", "1")])
        own.kill()
        await asyncio.sleep(0.05)  # the loop reads that the connection has ended
        own.start()
        answers = [await ask([("GET", "a")])]
        own.client.client_kill_filter(_type="normal", skipme=True)  # and now it does not
        return [*answers, await ask([("GET", "a")])]

    assert in_loop(work) == [[[None]], [[None]]]
    assert failures() == before


def test_a_redis_that_dies_under_a_question_fails_it(own: OwnRedis) -> None:
    async def work(ask: Ask) -> list[Any]:
        await ask([("SET", "a", "1")])
        own.freeze()
        asking = asyncio.ensure_future(ask([("GET", "a")]))
        await asyncio.sleep(0)
        own.kill()
        return await asking

    assert is_refused(in_loop(work))
    assert house_redis.available() is False
    own.start()


def test_a_redis_that_is_not_there_fails_one_round(own: OwnRedis) -> None:
    own.kill()
    before = failures()

    async def work(ask: Ask) -> list[Any]:
        return [await ask([("GET", "a")]) for _ in range(5)]

    assert all(is_refused(one) for one in in_loop(work))
    assert failures() == before + 1
    own.start()


@pytest.mark.parametrize("where", ["connected", "packed", "received", "failed"])
def test_nobody_waits_for_ever_whatever_fails(own: OwnRedis, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    def fail(*_: Any) -> Any:
        raise ValueError(where)

    async def work(ask: Ask) -> list[Any]:
        if where == "failed":
            own.kill()
        with monkeypatch.context() as patched:
            patched.setattr(house_redis, where, fail)
            refused = await asyncio.wait_for(ask([("GET", "a")]), 5)
        if where == "failed":
            own.start()
        await asyncio.to_thread(eventually, house_redis.available, "the breaker closes")
        return [refused, await ask([("GET", "a")])]

    refused, answered = in_loop(work)
    assert is_refused(refused)
    assert answered == [[None]]


def test_each_step_of_connecting_has_a_time_of_its_own(
    own: OwnRedis, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    connect = house_redis.connected

    def slow() -> Any:
        be_busy(1.2 * settings.CACHE_TIMEOUT)
        return connect()

    async def work(ask: Ask) -> list[Any]:
        monkeypatch.setattr(house_redis, "connected", slow)
        return await ask([("GET", "a")])

    before = failures()
    assert in_loop(work) == [[None]]
    assert failures() == before


def test_a_process_that_was_busy_for_longer_than_it_waits_still_takes_the_answer(own: OwnRedis, settings: Any) -> None:
    """More than it reads at once, so that its time is over before it has read all."""
    own.client.set("large", b"x" * 3_000_000)

    async def work(ask: Ask) -> list[Any]:
        await ask([("SET", "a", "1")])
        asking = asyncio.ensure_future(ask([("GET", "large")]))
        await asyncio.sleep(0)
        be_busy(2 * settings.CACHE_TIMEOUT)
        return await asking

    [[answer]] = in_loop(work)
    assert len(answer) == 3_000_000
