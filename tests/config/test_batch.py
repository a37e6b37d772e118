"""Calls beside each other: what they ask goes together, and what each of them has for itself stays its own."""

from collections.abc import Sequence
from contextvars import ContextVar
from functools import partial
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction

from config import batch
from config.batch import Batch
from config.data import statements
from config.data.statements import Statement
from tests.beside import Asked, Inline, beside

name: ContextVar[str] = ContextVar("name", default="nobody")


def test_what_calls_ask_at_the_same_time_goes_together_and_each_has_its_answer() -> None:
    asked = Asked()

    def call(who: str, rounds: int) -> list[str]:
        return [batch.ask(asked, f"{who}{number}") for number in range(rounds)]

    answers = beside(partial(call, "a", 3), partial(call, "b", 1), partial(call, "c", 2))
    assert answers == [["a0!", "a1!", "a2!"], ["b0!"], ["c0!", "c1!"]]
    assert asked.rounds == [["a0", "b0", "c0"], ["a1", "c1"], ["a2"]]


def test_outside_a_batch_and_alone_in_one_a_call_just_asks() -> None:
    asked = Asked()
    assert batch.ask(asked, "a") == "a!"
    assert beside(lambda: batch.ask(asked, "b")) == ["b!"]
    with pytest.raises(ValueError, match="bad"):
        batch.ask(asked, "bad")


def test_an_answer_that_is_an_error_concerns_its_asker_alone() -> None:
    asked = Asked()

    def call(question: str) -> str:
        try:
            return batch.ask(asked, question)
        except ValueError:
            return "refused"

    assert beside(partial(call, "a"), partial(call, "bad"), partial(call, "c")) == ["a!", "refused", "c!"]
    assert len(asked.rounds) == 1


def test_what_fails_for_all_is_told_to_all_and_they_go_on() -> None:
    def fail(questions: Any) -> Any:
        raise OperationalError("away")

    asked = Asked()

    def call(number: int) -> str:
        with pytest.raises(OperationalError):
            batch.ask(fail, number)
        return batch.ask(asked, str(number))

    assert beside(partial(call, 1), partial(call, 2)) == ["1!", "2!"]
    assert asked.rounds == [["1", "2"]]


def test_two_kinds_of_questions_go_separately() -> None:
    one, other = Asked(), Asked()
    beside(lambda: batch.ask(one, "a"), lambda: batch.ask(other, "b"), lambda: batch.ask(one, "c"))
    assert (one.rounds, other.rounds) == ([["a", "c"]], [["b"]])


def test_each_call_has_a_context_of_its_own() -> None:
    asked = Asked()

    def call(who: str) -> str:
        name.set(who)
        batch.ask(asked, who)
        return name.get()

    assert beside(partial(call, "alice"), partial(call, "bob")) == ["alice", "bob"]
    assert name.get() == "nobody"


def test_a_pause_lets_others_go_on() -> None:
    asked, order = Asked(), []

    def sleeper(seconds: float) -> None:
        batch.pause(seconds)
        order.append(f"after {seconds}")

    def worker() -> None:
        for _ in range(3):
            batch.ask(asked, "a", is_long=True)
        order.append("worker")

    beside(partial(sleeper, 0.02), partial(sleeper, 0.01), worker)
    assert order == ["worker", "after 0.01", "after 0.02"]


def test_what_is_asked_while_a_long_question_is_on_its_way_travels_next() -> None:
    asked, short = Asked(), Asked()

    def late(who: str) -> str:
        batch.ask(short, who)
        return batch.ask(asked, who, is_long=True)

    first = partial(batch.ask, asked, "first", is_long=True)
    assert beside(first, partial(late, "a"), partial(late, "b")) == ["first!", "a!", "b!"]
    assert (asked.rounds, short.rounds) == ([["first"], ["a", "b"]], [["a", "b"]])


def test_a_long_round_has_a_bound_and_the_rest_comes_behind() -> None:
    asked = Asked()
    many = [f"{number}" for number in range(2 * batch.MOST + 1)]
    assert beside(*[partial(batch.ask, asked, one, is_long=True) for one in many]) == [f"{one}!" for one in many]
    assert [len(one) for one in asked.rounds] == [batch.MOST, batch.MOST, 1]


def test_another_kind_does_not_wait_for_what_is_on_its_way() -> None:
    """Its round goes out although that of the first has not come back."""
    loop, order = Inline(), []
    slow, quick = Asked(), Asked()
    loop_of = Batch(loop)
    loop_of.begin([lambda: order.append(batch.ask(slow, "slow", is_long=True))])
    loop_of.begin([lambda: order.append(batch.ask(quick, "quick", is_long=True))])
    loop._away.rotate()
    loop.run()
    assert order == ["quick!", "slow!"]


def test_what_is_done_elsewhere_is_done_in_its_calls_context_and_its_error_is_its_own() -> None:
    def call(who: str) -> str:
        name.set(who)
        try:
            return batch.elsewhere(lambda: {"a": name.get(), "c": name.get()}[who])
        except KeyError:
            return "refused"

    assert beside(partial(call, "a"), partial(call, "bad"), partial(call, "c")) == ["a", "refused", "c"]
    assert batch.elsewhere(lambda: 7) == 7, "outside of calls it is just done"


def test_what_a_long_round_leaves_to_do_holds_up_its_own_calls_and_not_the_next_round() -> None:
    order, told = list[str](), Asked()

    def together(questions: Sequence[str]) -> Sequence[str]:
        order.append(f"asked {questions[0]}")
        batch.afterwards(lambda: order.append(batch.ask(told, f"left by {questions[0]}")))
        return questions

    def call(who: str) -> None:
        order.append(f"answered {batch.ask(together, who, is_long=True)}")

    first, second = (partial(call, who) for who in ("a", "b"))
    loop = Inline()
    calls = Batch(loop)
    calls.begin([first])
    calls.begin([second])
    loop.run()
    assert order == ["asked a", "asked b", "left by a!", "left by b!", "answered a", "answered b"]

    def fail() -> None:
        raise ValueError

    def together_and_fail(questions: Sequence[str]) -> Sequence[str]:
        batch.afterwards(fail)
        return questions

    assert beside(partial(batch.ask, together_and_fail, "a", is_long=True)) == ["a"]
    batch.afterwards(lambda: order.append("at once"))
    assert order[-1] == "at once", "outside of a round"


@pytest.mark.django_db(transaction=True)
def test_a_transaction_is_never_left_for_another_call() -> None:
    asked = Asked()

    def call(who: str) -> bool:
        with transaction.atomic():
            batch.ask(asked, who)
            return connection.in_atomic_block

    assert beside(partial(call, "a"), partial(call, "b")) == [True, True]
    assert asked.rounds == [["a"], ["b"]]


@pytest.mark.django_db(transaction=True)
def test_reads_travel_together_and_a_refused_one_fails_alone(django_assert_num_queries: Any) -> None:
    def read(sql: str) -> Any:
        try:
            return statements.read(Statement(sql, [1]), using="default")
        except Exception as error:  # noqa: BLE001 (told below)
            return type(error).__name__

    good = [partial(read, f"SELECT {number} + %s") for number in range(3)]
    with django_assert_num_queries(1):
        assert beside(*good) == [[(1,)], [(2,)], [(3,)]]
    assert beside(*good, partial(read, "SELECT 1 / (%s - 1)"))[3:] == ["DataError"]
    assert beside(partial(read, "SELECT 1 / (%s - 1)"), *good)[1:] == [[(1,)], [(2,)], [(3,)]]
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 300")
    try:
        assert beside(partial(read, "SELECT pg_sleep(60 * %s)"), *good) == ["OperationalError", [(1,)], [(2,)], [(3,)]]
    finally:
        connection.close()
