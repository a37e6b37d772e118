"""Calls of one turn of the event loop: what goes wrong in one of them is no trouble of the others"""

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, cast

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.db import OperationalError, connection, connections
from django.http import HttpResponse

from config import batch
from config.data import statements
from config.data.postgres import patience
from config.data.statements import Statement
from config.server.calls import Calls

pytestmark = pytest.mark.django_db(transaction=True)
Work = Callable[[], object]


class Application:
    """Does what each call brings along."""

    @staticmethod
    def request_class(environ: dict[str, Any]) -> Work:
        return cast(Work, environ["work"])

    @staticmethod
    def get_response(work: Work) -> HttpResponse:
        return HttpResponse(str(work()))


def turn(*works: Work, answered: Callable[[Any], None] = lambda _: None, apart: bool = False) -> list[str]:
    """What each got; the text of an exception. `apart`: each comes in a turn of its own."""
    found: list[str] = []

    def take(answer: Any, environ: dict[str, Any]) -> None:
        found.append(str(answer) if isinstance(answer, Exception) else answer.content.decode())
        answered(environ["work"])

    async def loop() -> None:
        ended = asyncio.Event()

        def counted(answer: Any, environ: dict[str, Any]) -> None:
            try:
                take(answer, environ)
            finally:
                if len(found) == len(works):
                    ended.set()

        given = [({"work": work}, counted) for work in works]
        for some in [[one] for one in given] if apart else [given]:
            calls.here(some)
        await ended.wait()

    calls = Calls(cast(WSGIHandler, Application()), 1)
    asyncio.run(loop())
    calls._asking.submit(connections.close_all)
    calls._asking.shutdown()
    return found


def ask(sql: str = "SELECT 7") -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()[0]


def test_a_connection_that_is_lost_under_one_is_made_anew_for_the_next() -> None:
    def lose() -> None:
        ask("SELECT pg_terminate_backend(pg_backend_pid())")

    first, *others = turn(lose, ask, ask)
    assert "terminating connection" in first
    assert others == ["7", "7"]
    assert turn(ask, lose, ask)[::2] == ["7", "7"]


def test_an_answer_that_cannot_be_given_is_told_and_the_others_are_given(caplog: pytest.LogCaptureFixture) -> None:
    def broken(work: Work) -> None:
        if work is second:
            raise RuntimeError("the socket is gone")

    first, second, third = (lambda number=number: number for number in range(3))
    with caplog.at_level(logging.ERROR, "server"):
        assert turn(first, second, third, answered=broken) == ["0", "1", "2"]
    assert "an answer could not be given" in caplog.text


def test_all_of_them_together_wait_no_longer_than_one_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "_doubt", lambda _: None)

    def wait() -> None:
        patience._Wait("default", patience.BUDGET * 0.6).look()

    late = "The database did not answer in time."
    assert turn(wait, wait, wait, ask) == ["None", late, late, "7"]
    assert turn(wait) == ["None"], "the next turn has its own"


def test_the_loop_goes_on_while_a_database_is_asked() -> None:
    ended: list[str] = []

    def slow() -> None:
        statements.read(Statement("SELECT pg_sleep(0.3)"), using="default")
        ended.append("slow")

    def quick() -> None:
        assert ask() == 7
        ended.append("quick")

    assert turn(slow, quick) == ["None", "None"]
    assert ended == ["quick", "slow"]


def test_a_long_question_is_charged_to_its_own_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "_doubt", lambda _: None)
    late = "The database did not answer in time."

    def wait() -> None:
        batch.elsewhere(lambda: patience._Wait("default", patience.BUDGET * 0.6).look())

    assert sorted(turn(wait, wait)) == ["None", late]


def test_what_is_done_elsewhere_for_calls_of_several_turns_has_one_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """One after the other in one thread: else the last of sixteen would wait for sixteen locks."""
    monkeypatch.setattr(patience, "_doubt", lambda _: None)
    late, asked = "The database did not answer in time.", threading.Event()

    def first() -> None:
        batch.elsewhere(asked.wait)

    def wait() -> None:
        batch.elsewhere(lambda: patience._Wait("default", patience.BUDGET * 0.6).look())

    def last() -> None:
        batch.pause(0.1)
        asked.set()

    assert sorted(turn(first, wait, wait, last, apart=True)) == ["None", "None", "None", late]


def test_two_threads_that_wait_at_the_same_time_are_charged_each_to_its_own_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each wait is within what one call may wait; both together hold up nobody."""
    monkeypatch.setattr(patience, "_doubt", lambda _: None)

    def wait(questions: Sequence[int]) -> Sequence[int]:
        patience._Wait("default", patience.BUDGET * 0.6).look()
        return questions

    def of_another_kind(questions: Sequence[int]) -> Sequence[int]:
        return wait(questions)

    kinds = (wait, of_another_kind)
    assert turn(*(partial(batch.ask, kind, 7, is_long=True) for kind in kinds)) == ["7", "7"]


def test_a_connection_that_a_thread_has_lost_is_made_anew() -> None:
    def lose() -> str:
        with pytest.raises(OperationalError):
            statements.read(Statement("SELECT pg_terminate_backend(pg_backend_pid())"), using="default")
        return str(statements.read(Statement("SELECT 7"), using="default"))

    assert turn(lose) == ["[(7,)]"]
