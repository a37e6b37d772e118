"""Calls in one batch."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from config import batch

T = TypeVar("T")


def beside(*calls: Callable[[], T]) -> list[T]:
    """What each of them gives, or its exception raised."""
    found: dict[int, T] = {}
    failed: list[Exception] = []

    def work(number: int) -> None:
        try:
            found[number] = calls[number]()
        except Exception as error:  # noqa: BLE001 (raised below)
            failed.append(error)

    batch.run([lambda number=number: work(number) for number in range(len(calls))])  # type: ignore[misc]
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
