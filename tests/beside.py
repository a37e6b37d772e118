"""Calls in one batch."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from contextvars import Context
from functools import partial
from typing import Any, TypeVar

from config.batch import Batch, answers_of

T = TypeVar("T")


class Inline:
    """A loop that does what is to be done elsewhere when nothing else goes on, and then what is to be done later."""

    def __init__(self) -> None:
        self._away: deque[Callable[[], None]] = deque()
        self._later: list[tuple[float, Callable[[], None]]] = []

    def elsewhere(self, contexts: Sequence[Context], work: Callable[[], T], then: Callable[[T], None]) -> None:
        self._away.append(lambda: then(work()))

    def meanwhile(self, together: Any, questions: Sequence[Any], then: Callable[[Sequence[Any]], None]) -> None:
        self._away.append(lambda: then(answers_of(together, questions)))

    def later(self, seconds: float, work: Callable[[], None]) -> None:
        self._later.append((time.monotonic() + seconds, work))

    def run(self) -> None:
        while self._away or self._later:
            if self._away:
                self._away.popleft()()
            else:
                first = min(self._later, key=lambda one: one[0])
                self._later.remove(first)
                time.sleep(max(0.0, first[0] - time.monotonic()))
                first[1]()


def beside(*calls: Callable[[], T]) -> list[T]:
    """What each of them gives, or its exception raised."""
    found: dict[int, T] = {}
    failed: list[Exception] = []

    def work(number: int) -> None:
        try:
            found[number] = calls[number]()
        except Exception as error:  # noqa: BLE001 (raised below)
            failed.append(error)

    loop = Inline()
    Batch(loop).begin(partial(work, number) for number in range(len(calls)))
    loop.run()
    if failed:
        raise failed[0]
    return [found[number] for number in range(len(calls))]


class Asked:
    """Answers questions, and remembers in which company each came."""

    def __init__(self) -> None:
        self.rounds: list[list[str]] = []

    def __call__(self, questions: Sequence[str]) -> list[str | Exception]:
        self.rounds.append(list(questions))
        return [ValueError(one) if one == "bad" else f"{one}!" for one in questions]
