"""Many callers at once, who go on calling while something happens to the system."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

from tests.journeys.system import Caller, System

Call = Callable[[], httpx.Response]
READERS, WRITERS = "readers", "writers"


@dataclass(frozen=True)
class Answered:
    who: str
    status: int
    seconds: float


@dataclass
class Log:
    answers: list[Answered] = field(default_factory=list)

    def statuses(self, *whos: str) -> set[int]:
        return {answer.status for answer in self.answers if answer.who in whos}

    def slowest(self) -> Answered:
        return max(self.answers, key=lambda answer: answer.seconds)


class Crowd:
    """Bob's callers only read, alice's write too; as many of each."""

    def __init__(self, system: System, size: int) -> None:
        bob, alice = system.caller("bob"), system.caller("alice")
        task = str(bob.patiently("/v1/tasks", {"title": "drill"}).raise_for_status().json()["id"])
        self._calls: list[tuple[str, Mapping[str, Call]]] = []
        for _ in range(size // 2):
            self._calls.append((READERS, _reads(system.with_token(bob.token), f"/v1/tasks/{task}")))
            self._calls.append((WRITERS, _writes(system.with_token(alice.token))))

    @contextmanager
    def calling(self) -> Iterator[Log]:
        """Each caller has begun when the block is entered, and is answered when it is left."""
        log, ended, begun = Log(), threading.Event(), threading.Barrier(len(self._calls) + 1)
        threads = [
            threading.Thread(target=_call_on, args=(who, calls, log, ended, begun)) for who, calls in self._calls
        ]
        for thread in threads:
            thread.start()
        try:
            begun.wait()
            yield log
        finally:
            ended.set()
            for thread in threads:
                thread.join()


def _reads(caller: Caller, task: str) -> Mapping[str, Call]:
    return {
        "task": lambda: caller.get(task),
        "list": lambda: caller.get("/v1/tasks?page_size=5"),
        "filter": lambda: caller.get("/v1/tasks?priority=normal&page_size=5"),
        "me": lambda: caller.get("/v1/me"),
    }


def _writes(caller: Caller) -> Mapping[str, Call]:
    return {
        "list": lambda: caller.get("/v1/tasks?page_size=5"),
        "post": lambda: caller.post("/v1/tasks", {"title": "drill"}),
    }


def _call_on(who: str, calls: Mapping[str, Call], log: Log, ended: threading.Event, begun: threading.Barrier) -> None:
    for call in calls.values():
        call()  # its connection is made
    begun.wait()
    for call in itertools.cycle(calls.values()):
        if ended.is_set():
            return
        start = time.monotonic()
        status = call().status_code
        log.answers.append(Answered(who, status, time.monotonic() - start))
