"""Writes that are settled in one transaction: asked, decided and saved, each for itself and all in the same messages.

A write that is refused by its rules, or whose key another call has, leaves the others alone. When the database refuses
what is to be saved, nothing is, and each has to try alone: nobody can say whose fault it was.
"""

from collections.abc import Callable, Iterator, Sequence
from contextvars import Context
from itertools import islice
from typing import NamedTuple
from uuid import UUID

from django.db import DatabaseError, InterfaceError, transaction

from config.api.answers import Answer
from config.api.keyed import Key
from config.api.problems import Problem
from config.data.statements import Insert, LostRace, Rows, Statement, is_of_all, together
from config.events import log

Decide = Callable[[list[Rows]], Answer]


class LookFirst(Exception):
    """`decide` refused, which is no answer yet: the call may have been done before, in another state."""


class Wanted(NamedTuple):
    """A write: what it asks, and what it makes of the answers, in its call's context."""

    key: Key | None
    asks: Sequence[Statement]
    decide: Decide
    context: Context

    @property
    def questions(self) -> list[Statement]:
        """A call that waits for a row could wait for this very call, which is to be told at once: its lock is first."""
        return [*([self.key.lock()] if self.key and self.asks else []), *self.asks]


def settle_each(writes: Sequence[Wanted]) -> list[Answer | Exception]:
    """Their answers; LostRace and LookFirst for those that have to try alone. Keys are taken with what is saved."""
    answers: list[Answer | Exception] = [LostRace() for _ in writes]
    try:
        with transaction.atomic(durable=True):
            answers = _apart([_decided(one, found) for one, found in zip(writes, _found(writes), strict=True)])
            xid = _save(writes, answers)
    except (DatabaseError, InterfaceError, LostRace) as error:
        if is_of_all(error):
            raise
        lost = error if len(writes) == 1 else LostRace()
        return [lost if isinstance(answer, Answer | LostRace) else answer for answer in answers]
    return [answer._replace(xid=xid, unsaved=None) if isinstance(answer, Answer) else answer for answer in answers]


def save(key: Key | None, answer: Answer) -> Answer:
    """One write, in the caller's transaction."""
    return answer._replace(xid=_save_all([(key, answer)]), unsaved=None)


def kept(key: Key, answer: Answer) -> Insert:
    return key.store(answer.status, answer.body, answer.headers, answer.subjects, wrote=True)


def _found(writes: Sequence[Wanted]) -> list[list[Rows] | None]:
    """What each asked for; None when another call has its key."""
    statements = [question for one in writes for question in one.questions]
    answers = iter(together(statements) if statements else ())
    held: set[int] = set()
    return [_own(one, answers, held) for one in writes]


def _own(write: Wanted, answers: Iterator[Rows], held: set[int]) -> list[Rows] | None:
    """`held` are the locks that others of this transaction have, in which a lock is free for each."""
    free = True
    if write.key is not None:
        if write.asks:
            [[free]] = next(answers)
        free = free and write.key.number not in held
        held.add(write.key.number)
    found = list(islice(answers, len(write.asks)))
    return found if free else None


def _decided(write: Wanted, found: list[Rows] | None) -> Answer | Exception:
    if found is None:
        return LostRace()
    try:
        return write.context.run(write.decide, found)
    except Problem as problem:
        return problem if write.key is None else LookFirst()
    except (DatabaseError, InterfaceError):
        raise  # the transaction is lost
    except Exception as error:  # noqa: BLE001 (a fault of this call, where it is raised again)
        return error


def _apart(answers: Sequence[Answer | Exception]) -> list[Answer | Exception]:
    """Of several writes on one object the first: the others have to see what it made of it."""
    seen: set[UUID] = set()
    found: list[Answer | Exception] = []
    for answer in answers:
        is_first = not isinstance(answer, Answer) or seen.isdisjoint(answer.subjects)
        found.append(answer if is_first else LostRace())
        seen.update(answer.subjects if isinstance(answer, Answer) else ())
    return found


def _save(writes: Sequence[Wanted], answers: Sequence[Answer | Exception]) -> int | None:
    decided = [(one.key, answer) for one, answer in zip(writes, answers, strict=True) if isinstance(answer, Answer)]
    # In the order of what they change: so no two transactions wait for each other.
    return _save_all(sorted(decided, key=lambda one: one[1].subjects)) if decided else None


def _save_all(decided: Sequence[tuple[Key | None, Answer]]) -> int:
    statements = [part for key, answer in decided for part in _parts(key, answer)]
    return log.save(statements, [event for _, answer in decided if answer.unsaved for event in answer.unsaved.events])


def _parts(key: Key | None, answer: Answer) -> list[Statement | Insert]:
    key_row = [] if key is None else [kept(key, answer)]
    return [*key_row, *(answer.unsaved.statements if answer.unsaved else ())]
