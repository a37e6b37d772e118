"""Tasks as life makes them, for tests of size: the same for the same numbers, as lines for COPY.

A few people own most: at 10,000 users the busiest has one task in a hundred. Old tasks are nearly all completed.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from itertools import accumulate
from uuid import UUID, uuid5

COLUMNS = (
    *("id", "title", "description", "status", "priority", "due_at", "labels", "owner", "assignee"),
    *("version", "created_at", "updated_at", "completed_at", "deleted_at"),
)
_NAMESPACE = UUID("5eed0000-0000-4000-8000-000000000000")
_DAY = 86_400_000  # milliseconds
_NULL = r"\N"

_VERBS = [
    "Write",
    "Review",
    "Send",
    "Fix",
    "Plan",
    "Call",
    "Order",
    "Check",
    "Update",
    "Book",
    "Prepare",
    "Translate",
    "Pay",
    "Test",
    "Archive",
]
_THINGS = [
    "the report",
    "the invoice",
    "the release notes",
    "the contract",
    "the login page",
    "the backup",
    "the offer",
    "the slides",
    "the database",
    "the workshop",
    "the newsletter",
    "the budget",
    "the test plan",
    "the interview",
    "the server room",
]
_FOR = [
    "for Monday",
    "for the customer",
    "with Bob",
    "before the audit",
    "again",
    "for Berlin",
    "for the board",
    "after lunch",
    "by phone",
]
_SENTENCES = [
    "The numbers of last month are in the shared folder.",
    "Ask Dana when something is missing.",
    "The customer has called twice already.",
    "It must not take longer than a day.",
    "See the ticket for the details.",
    "Two signatures are needed.",
    "The old version is still online.",
    "Nobody has looked at this since spring.",
    "Take the template of the other team.",
    "Keep the costs below the offer.",
    "Remember the time zone of the client.",
]
_LABELS = [
    "work",
    "home",
    "urgent",
    "waiting",
    "office",
    "travel",
    "money",
    "health",
    "customer",
    "bug",
    "idea",
    "paper",
    "phone",
    "weekly",
    "team",
]
_PRIORITIES = ("normal",) * 12 + ("low",) * 4 + ("high",) * 3 + ("urgent",)
_NAMES = [
    "anna",
    "ben",
    "carla",
    "david",
    "emma",
    "felix",
    "greta",
    "hugo",
    "ida",
    "jonas",
    "klara",
    "leon",
    "mia",
    "noah",
    "olga",
    "paul",
]


@dataclass(frozen=True, slots=True)
class Person:
    id: str
    name: str


# The first is the demo user alice, so that one can look at it; she has pages deep down however few tasks there are.
_ALICE = "00000000-0000-4000-8000-000000000001"
_HERS = 60_000


def people(count: int) -> list[Person]:
    others = [Person(str(uuid5(_NAMESPACE, str(n))), f"{_NAMES[n % len(_NAMES)]}{n}") for n in range(1, count)]
    return [Person(_ALICE, "alice"), *others]


class Tasks:
    """`end` is the time of the newest task; ages follow from it and never from the clock."""

    def __init__(self, owners: list[Person], end: datetime, total: int) -> None:
        self._owners = [person.id for person in owners]
        weights = [(rank + 10) ** -0.9 for rank in range(len(owners))]
        hers = min(0.6, _HERS / max(1, total))  # of all
        weights[0] = max(weights[0], sum(weights[1:]) * hers / (1 - hers))
        self._weights = list(accumulate(weights))
        self._end = _milliseconds(end)

    def lines(self, start: datetime, stop: datetime, count: int) -> Iterator[str]:
        """`count` tasks created from `start` to before `stop`, oldest first."""
        chance = random.Random(f"{start:%Y-%m-%d}")  # noqa: S311 (the same again is what is wanted)
        first, step = _milliseconds(start), (_milliseconds(stop) - _milliseconds(start)) / max(1, count)
        owners = chance.choices(self._owners, cum_weights=self._weights, k=count)
        for n, owner in enumerate(owners):
            yield self._line(chance, first + int((n + chance.random()) * step), owner)

    def _line(self, chance: random.Random, at: int, owner: str) -> str:
        age = self._end - at
        done = chance.random() < (0.9 if age > 30 * _DAY else 0.4)
        changed = min(self._end, at + int(chance.random() ** 3 * 20 * _DAY)) if done or chance.random() < 0.3 else at
        deleted = changed if age < 30 * _DAY and chance.random() < 0.03 else None
        status = "completed" if done else "in-progress" if chance.random() < 0.25 else "pending"
        return "\t".join(
            (
                _identifier(chance, at),
                f"{chance.choice(_VERBS)} {chance.choice(_THINGS)} {chance.choice(_FOR)}",
                f"{chance.choice(_SENTENCES)} {chance.choice(_SENTENCES)}" if chance.random() < 0.6 else "",
                status,
                chance.choice(_PRIORITIES),
                _time(at + int(chance.random() * 30) * _DAY) if chance.random() < 0.5 else _NULL,
                "{" + ",".join(chance.sample(_LABELS, int(chance.random() * 4))) + "}",
                owner,
                chance.choice(self._owners) if chance.random() < 0.1 else _NULL,
                "1" if changed == at else str(1 + int(chance.random() * 4) + 1),
                _time(at),
                _time(changed),
                _time(changed) if done else _NULL,
                _time(deleted) if deleted else _NULL,
            )
        )


def _milliseconds(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def _identifier(chance: random.Random, at: int) -> str:
    """A UUIDv7, as config.data.ids makes them, with bits that are the same each time."""
    bits = chance.getrandbits(74)
    return f"{at:012x}7{bits >> 62:03x}{1 << 63 | bits & (1 << 62) - 1:016x}"


def _time(at: int) -> str:
    day, rest = divmod(at, _DAY)
    hour, rest = divmod(rest, 3_600_000)
    minute, rest = divmod(rest, 60_000)
    return f"{_date(day)} {hour:02}:{minute:02}:{rest // 1000:02}.{rest % 1000:03}+00"


@lru_cache(4_096)
def _date(day: int) -> str:
    return f"{datetime.fromtimestamp(day * 86_400, UTC):%Y-%m-%d}"
