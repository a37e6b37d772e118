"""Calls that run beside each other in one thread, and ask together.

Each call is a greenlet. Where it would wait for an answer it leaves its question, and the next call goes on; when
none can go on, all questions of one kind travel in one round trip. So sixteen calls that came in together ask Redis
once, and their writes share a transaction. Outside a batch `ask` just asks.

Between two questions nobody else in the thread runs, and what runs in a transaction is never left for another call.
Why and what it brings: docs/decisions/0019-calls-in-batches.md.
"""

import time
from collections.abc import Callable, Sequence
from contextvars import copy_context
from typing import Any, NamedTuple, TypeVar

from django.db import DEFAULT_DB_ALIAS, connections
from greenlet import getcurrent, greenlet

Q = TypeVar("Q")
A = TypeVar("A")
# The answer to each question, in their order; an exception is raised to its asker, and what is raised to all of them.
Together = Callable[[Sequence[Q]], Sequence[A | Exception]]


class _Call(greenlet):
    def __init__(self, work: Callable[[], None]) -> None:
        super().__init__(work)
        self.gr_context = copy_context()


class _Asked(NamedTuple):
    call: _Call
    together: Together[Any, Any]
    question: Any


def ask(together: Together[Q, A], question: Q) -> A:
    """The answer to one question, which may be asked beside those of other calls."""
    here = getcurrent()
    # Others would go on in this call's transaction: calls open one on the primary only.
    if not isinstance(here, _Call) or connections[DEFAULT_DB_ALIAS].in_atomic_block:
        [answer] = together([question])
    else:
        answer = here.parent.switch(_Asked(here, together, question))  # type: ignore[union-attr] # it has one
    if isinstance(answer, Exception):
        raise answer
    return answer


def pause(seconds: float) -> None:
    """Lets the others of the batch go on, and sleeps when all of them pause."""
    ask(_sleep, seconds)


def run(works: Sequence[Callable[[], None]]) -> None:
    """Does all of them, each in a context of its own. They must raise nothing."""
    if len(works) == 1:
        copy_context().run(works[0])
        return
    asked = [step for work in works if (step := _Call(work).switch()) is not None]
    while asked:
        asked = _round(asked)


def _round(asked: Sequence[_Asked]) -> list[_Asked]:
    """Answers what was asked; gives what is asked next."""
    kinds: dict[Together[Any, Any], list[_Asked]] = {}
    for one in asked:
        kinds.setdefault(one.together, []).append(one)
    if len(kinds) > 1 and _sleep in kinds:
        kinds[_no_time] = kinds.pop(_sleep)  # behind the others, which have taken some
    return [step for together, ones in kinds.items() for step in _answered(together, ones)]


def _answered(together: Together[Any, Any], ones: Sequence[_Asked]) -> list[_Asked]:
    try:
        answers = together([one.question for one in ones])
    except Exception as error:  # noqa: BLE001 (it is raised again, where it was asked)
        answers = [error] * len(ones)
    return [step for one, answer in zip(ones, answers, strict=True) if (step := one.call.switch(answer)) is not None]


def _sleep(seconds: Sequence[float]) -> list[None]:
    time.sleep(max(seconds))
    return [None] * len(seconds)


def _no_time(seconds: Sequence[float]) -> list[None]:
    return [None] * len(seconds)
