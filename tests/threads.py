"""Calls that meet: each in a thread of its own, with a database connection of its own."""

import threading
from collections.abc import Callable
from typing import TypeVar

from django.db import connections

from accounts import keys

T = TypeVar("T")


def at_once(count: int, call: Callable[[int], T]) -> list[T]:
    """What `call(0)` … `call(count - 1)` return, all started from one line. Needs a test without a transaction."""
    keys.KEYS.get()  # or the first call fetches the signing keys, and whom that takes too long gets 503
    start = threading.Barrier(count)
    answers: dict[int, T] = {}

    def run(number: int) -> None:
        start.wait()
        try:
            answers[number] = call(number)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [answers[number] for number in range(count)]
