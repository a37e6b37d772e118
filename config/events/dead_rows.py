"""The dead letters where the broker keeps none (redis://): rows that hold the message."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from config.events.deadletters import Letter
from config.events.letters import Message
from config.events.models import DeadLetter


class DeadRows:
    @contextmanager
    def open(self) -> Iterator[None]:
        yield

    def read(self, queues: Sequence[str]) -> Iterator[tuple[Letter, Any]]:
        for row in DeadLetter.objects.filter(queue__in=queues, replayed_at=None).order_by("id"):
            letter = Letter(
                id=str(row.id),
                queue=row.queue,
                task=row.task,
                event_id=str(row.event_id) if row.event_id else None,
                died_at=row.died_at,
                error=row.error,
                message=Message(**row.payload),
            )
            yield letter, row.id

    def forget(self, receipt: Any) -> None:
        """The caller marks the row, here as in a note."""
