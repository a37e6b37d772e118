"""Messages that no consumer could handle: listed, shown, replayed, purged.

With RabbitMQ they wait in `<queue>.dlq`; the broker does not know why, so that the worker notes the reason in a
DeadLetter row. On redis:// that row is all there is, and holds the message itself.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Protocol
from uuid import UUID

from django.db import connection
from django.db.models.functions import Now

from config.events import letters, topology
from config.events.letters import Message
from config.events.models import DeadLetter
from config.events.publisher import Publisher


@dataclass(frozen=True, slots=True)
class Letter:
    """`error` is empty when the worker died of the message before it could say anything."""

    id: str
    queue: str
    task: str
    event_id: str | None
    died_at: datetime | None
    error: str
    message: Message


class Store(Protocol):
    """Where the letters lie. A letter that is neither forgotten nor replayed stays as it was."""

    def open(self) -> AbstractContextManager[None]: ...
    def read(self, queues: Sequence[str]) -> Iterator[tuple[Letter, Any]]: ...
    def forget(self, receipt: Any) -> None: ...


class UnknownLetter(LookupError):
    """There is no such letter, or somebody else has just dealt with it."""


def bury(message: Any, error: str) -> None:
    """Notes a message that a worker rejects for good. Raises DatabaseError."""
    letter = letters.of(message)
    values = {
        "queue": letters.queue_of(message),
        "task": letters.task_name(letter)[:128],
        "event_id": letters.event_id(letter),
        "payload": letter.as_json(),
        "error": error.replace("\0", ""),
        "died_at": Now(),
        "replayed_at": None,
    }
    try:
        DeadLetter.objects.update_or_create(id=letters.identifier(letter), defaults=values)
    finally:
        # In the worker's main process, which forks and is idle for long: it keeps no connection.
        connection.close()


def listing(queue: str | None = None, limit: int | None = None) -> list[Letter]:
    store = _store()
    with store.open():
        return [letter for letter, _ in islice(store.read(_queues(queue)), limit)]


def find(identifier: str) -> Letter:
    for letter in listing():
        if letter.id == identifier:
            return letter
    raise UnknownLetter(identifier)


def replay(identifiers: Iterable[str] | None = None, queue: str | None = None) -> int:
    """Sends the letters back to their queues and forgets them: those of the ids, or all. Raises Unpublished.

    A letter is forgotten only when the broker has confirmed its message, so that it can be replayed twice but is never
    lost; consumers take an event once.
    """
    with Publisher() as publisher:
        return _each(
            identifiers, queue, lambda letter: publisher.publish([letters.resend(letter.queue, letter.message)])
        )


def purge(identifiers: Iterable[str] | None = None, queue: str | None = None) -> int:
    """Forgets letters for good: those of the ids, or all."""
    return _each(identifiers, queue, lambda letter: None)


def _each(identifiers: Iterable[str] | None, queue: str | None, act: Any) -> int:
    wanted = None if identifiers is None else set(identifiers)
    store, done = _store(), 0
    with store.open():
        for letter, receipt in store.read(_queues(queue)):
            if wanted is None or letter.id in wanted:
                # This death, not the next one: a replayed message may die again before the row is marked.
                note = DeadLetter.objects.using("default").filter(id=UUID(letter.id)).first()
                act(letter)
                store.forget(receipt)
                if note:
                    DeadLetter.objects.filter(id=note.id, died_at=note.died_at).update(replayed_at=Now())
                done += 1
    return done


def _queues(queue: str | None) -> Sequence[str]:
    return topology.QUEUES if queue is None else [queue]


def _store() -> Store:
    from config.events import dead_queues, dead_rows  # noqa: PLC0415 (they build on Letter)

    return dead_queues.DeadQueues() if topology.is_amqp() else dead_rows.DeadRows()
