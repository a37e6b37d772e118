"""Calls beside each other: what they ask goes together, and what each of them has for itself stays its own."""

from contextvars import ContextVar
from functools import partial
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction

from config import batch
from config.data import statements
from config.data.statements import Statement
from tests.beside import Asked, beside

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


def test_a_pause_lets_others_go_on_and_takes_no_time_beside_them(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    asked, order = Asked(), []

    def sleeper() -> None:
        batch.pause(5)
        order.append("sleeper")

    def worker() -> None:
        batch.ask(asked, "a")
        order.append("worker")

    beside(sleeper, worker)
    assert (order, slept) == (["worker", "sleeper"], [])
    beside(sleeper, sleeper)
    assert slept == [5]


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
