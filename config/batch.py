"""Calls that run beside each other in one thread, and ask together.

Each call is a greenlet. Where it would wait for an answer it leaves its question, and another call goes on; when none
can go on, all questions of one kind travel in one round trip. So sixteen calls that came in together ask Redis once.

What comes in while they are on their way goes on. Of each kind one round is on its way; what is asked until it is back
travels next. So calls share round trips and transactions the more, the more there are of them and the slower answers
come (the group commit of databases). A question to a database is long: a thread asks it.

Between two questions nobody else in the thread runs, and what runs in a transaction is never left for another call.
Outside of calls `ask` just asks. Why and what it brings: docs/decisions/0019-calls-in-batches.md.
"""

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextvars import Context, copy_context
from functools import partial
from typing import Any, NamedTuple, Protocol, TypeVar

from django.db import DEFAULT_DB_ALIAS, connections
from greenlet import getcurrent, greenlet

Q = TypeVar("Q")
A = TypeVar("A")
# The answer to each question, in their order; an exception is raised to its asker, and what is raised to all of them.
Together = Callable[[Sequence[Q]], Sequence[A | Exception]]
_Answers = Sequence[Any]

logger = logging.getLogger("server")

MOST = 16  # questions of a long round: what fails for one may fail for all of them


class Loop(Protocol):
    """What calls wait in. All that it is given to do later is done in the calls' thread."""

    def elsewhere(self, contexts: Sequence[Context], work: Callable[[], A], then: Callable[[A], None]) -> None:
        """Does `work` in another thread, on behalf of calls with these contexts, and `then` with what it gives."""

    def meanwhile(self, together: Together[Q, A], questions: Sequence[Q], then: Callable[[_Answers], None]) -> None:
        """Asks without a thread, and does `then` with the answers."""

    def later(self, seconds: float, work: Callable[[], None]) -> None: ...


class _Call(greenlet):
    def __init__(self, work: Callable[[], None]) -> None:
        super().__init__(partial(_safely, work))
        self.context = self.gr_context = copy_context()


class _Asked(NamedTuple):
    call: _Call
    together: Together[Any, Any]
    question: Any
    is_long: bool


class _Pause(NamedTuple):
    call: _Call
    seconds: float


_Found = tuple[_Answers, Sequence[Callable[[], None]]]  # and what is left to do
_Step = _Asked | _Pause
_asking = threading.local()  # of a thread that asks for calls: what it leaves to theirs


def ask(together: Together[Q, A], question: Q, *, is_long: bool = False) -> A:
    """The answer to one question, which may be asked beside those of other calls.

    A long one is asked in a thread, which has connections and a context of its own.
    """
    here = _here()
    # Others would go on in this call's transaction: calls open one on the primary only.
    if here is None or connections[DEFAULT_DB_ALIAS].in_atomic_block:
        [answer] = together([question])
    else:
        answer = here.parent.switch(_Asked(here, together, question, is_long))  # type: ignore[union-attr] # it has one
    if isinstance(answer, Exception):
        raise answer
    return answer


def elsewhere(work: Callable[[], A]) -> A:
    """What `work` gives, done as a long question is asked."""
    answer: A = ask(_each, partial(copy_context().run, work), is_long=True)
    return answer


def afterwards(work: Callable[[], None]) -> None:
    """Does it; in a thread that asks for calls it becomes a call, for which these wait, and the next round does not."""
    left = getattr(_asking, "left", None)
    if left is None:
        work()
    else:
        left.append(work)


def pause(seconds: float) -> None:
    """Lets others go on for so long."""
    here = _here()
    if here is None:
        time.sleep(seconds)
    else:
        here.parent.switch(_Pause(here, seconds))  # type: ignore[union-attr] # it has one


def _here() -> _Call | None:
    current = getcurrent()
    return current if isinstance(current, _Call) else None


class Batch:
    """The calls of one thread."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._lines: defaultdict[Together[Any, Any], list[_Asked]] = defaultdict(list)  # of questions that wait
        self._on_their_way: set[Together[Any, Any]] = set()

    def begin(self, works: Iterable[Callable[[], None]]) -> None:
        """Does them, each in a copy of this context, as far as they go now."""
        self._go_on([step for work in works if (step := _Call(work).switch()) is not None])

    def _go_on(self, steps: Sequence[_Step]) -> None:
        for step in steps:
            if isinstance(step, _Pause):
                self._loop.later(step.seconds, partial(self._wake, step.call))
            else:
                self._lines[step.together].append(step)
        self._send()

    def _wake(self, call: _Call) -> None:
        self._go_on([step for step in [call.switch()] if step is not None])

    def _send(self) -> None:
        for together, line in self._lines.items():
            if line and together not in self._on_their_way:
                self._on_their_way.add(together)
                most = MOST if line[0].is_long else len(line)
                asked, line[:] = line[:most], line[most:]
                self._ask(together, asked)

    def _ask(self, together: Together[Any, Any], asked: Sequence[_Asked]) -> None:
        questions = [one.question for one in asked]
        if asked[0].is_long:
            contexts = [one.call.context for one in asked]
            self._loop.elsewhere(contexts, partial(_long, together, questions), partial(self._back, together, asked))
        else:
            self._loop.meanwhile(together, questions, lambda answers: self._back(together, asked, (answers, [])))

    def _back(self, together: Together[Any, Any], asked: Sequence[_Asked], found: _Found) -> None:
        answers, left = found
        self._on_their_way.discard(together)
        self._send()  # before these go on, so that who is asked has something to do meanwhile
        if left:
            self.begin([partial(self._finish, left, asked, answers)])
        else:
            self._go_on(_told(asked, answers))

    def _finish(self, left: Sequence[Callable[[], None]], asked: Sequence[_Asked], answers: _Answers) -> None:
        for work in left:
            _safely(work)
        self._loop.later(0, lambda: self._go_on(_told(asked, answers)))


def _safely(work: Callable[[], object]) -> None:
    try:
        work()
    except Exception:  # (the others must go on)
        logger.exception("a call ended by an exception")


def answers_of(together: Together[Q, A], questions: Sequence[Q]) -> _Answers:
    """Asked here and now; an exception that it raises is raised to each."""
    try:
        return together(questions)
    except Exception as error:  # noqa: BLE001 (it is raised again, where it was asked)
        return [error] * len(questions)


def _long(together: Together[Q, A], questions: Sequence[Q]) -> _Found:
    left: list[Callable[[], None]] = []
    _asking.left = left
    try:
        return answers_of(together, questions), left
    finally:
        _asking.left = None


def _told(asked: Sequence[_Asked], answers: Sequence[Any]) -> list[_Step]:
    told = zip(asked, answers, strict=True)
    return [step for one, answer in told if (step := one.call.switch(answer)) is not None]


def _each(works: Sequence[Callable[[], A]]) -> list[A | Exception]:
    return [_done(work) for work in works]


def _done(work: Callable[[], A]) -> A | Exception:
    try:
        return work()
    except Exception as error:  # noqa: BLE001 (it is raised again, where it was asked)
        return error
