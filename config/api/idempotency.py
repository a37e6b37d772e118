"""Idempotency-Key on unsafe calls (draft-ietf-httpapi-idempotency-key-header), and the transaction of a write.

The key row is written in the write's own transaction: both are there or neither, whatever dies in between.
A call that still runs holds an advisory lock on its key, so that the same call beside it is told to come back
(409) instead of waiting; the lock ends with the transaction, so a crash frees the key at once.
"""

from collections.abc import Callable, Sequence
from contextvars import copy_context
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

from django.db import IntegrityError, OperationalError, transaction
from django.db.models import Q
from django.http import HttpResponse
from psycopg.errors import DeadlockDetected
from rest_framework.request import Request

from config import batch
from config.api import problems
from config.api.answers import Answer
from config.api.keyed import Key, Stored, replay
from config.api.models import IdempotencyKey
from config.api.problems import Problem
from config.api.settling import Decide, LookFirst, Wanted, kept, save, settle_each
from config.api.views import remember_again, wrote
from config.data import partitions, transactions
from config.data.statements import LostRace, Rows, Statement, merged, together

ATTEMPTS = 4
KEPT = timedelta(hours=24)  # the contract's promise
BATCH = 5_000  # rows a statement: short locks


def forget_old() -> int:
    """Removes the keys whose time is over; returns how many."""
    removed = 0
    old = IdempotencyKey.objects.using("default").filter(created_at__lt=datetime.now(UTC) - KEPT)
    while batch := list(old.values_list("pk", flat=True)[:BATCH]):
        removed += IdempotencyKey.objects.filter(pk__in=batch).delete()[0]
    return removed


def forget_answers(subject: UUID) -> None:
    """Takes the stored answers about an object away, when it is purged; their keys then answer 410."""
    # One answer may tell of several objects: purges of two of them lock their common rows in one order.
    told = IdempotencyKey.objects.using("default").filter(Q(subject=subject) | Q(subjects__contains=[subject]))
    keys = list(told.order_by("pk").select_for_update().values_list("pk", flat=True))
    IdempotencyKey.objects.filter(pk__in=keys).update(gone=True, body=b"", headers={})


Write = Callable[[bool], Answer]
Asks = Callable[[bool], Sequence[Statement]]
Authorize = Callable[[Sequence[UUID]], object]
# With whether there was an attempt before, and whether a row missed.
_Attempt = Callable[[Key | None, bool, bool], Answer | HttpResponse]
_Body = Callable[[Key | None, bool, bool], Answer | Stored]  # of its transaction


def perform(request: Request, write: Write, *, authorize: Authorize | None = None) -> HttpResponse:
    """Runs `write(locked)` in one durable transaction, at most once for each key.

    `write` reads versions before its first write and raises LostRace when its conditional update misses; it is
    then run again in a new transaction, with `locked` true: it should take the object's advisory lock first.
    `authorize` is asked before a stored answer about objects is replayed.
    """

    def attempt(key: Key | None, again: bool, lost: bool) -> Answer | Stored:
        if key is not None and (stored := key.claim()[0]) is not None:
            return stored
        answer = write(lost)
        if answer.xid is None:  # what changed nothing has seen a state all the same
            answer = answer._replace(xid=transactions.current_id())
        if key is not None:
            together(merged([kept(key, answer)]))
        return answer

    return _answer(request, _in_transaction(attempt, authorize))


def settle(
    request: Request,
    decide: Decide,
    *,
    asks: Asks = lambda _: (),
    dear: bool = False,
    authorize: Authorize | None = None,
) -> HttpResponse:
    """`perform` for a write that leaves all statements to us, so that they travel together: what `asks(locked)` wants
    to know, in one round trip; and what `decide` makes of it (`Answer.unsaved`), with the answer to keep.

    At first in one transaction with what other calls of the batch write (`settling`), and alone when that fails. The
    key is taken only with what is saved: when it was used, or `decide` refuses, nothing has happened yet, and the next
    attempt looks first. So a repeated call costs more; one that is `dear` always looks first, and alone.
    """

    def alone(key: Key | None, again: bool, lost: bool) -> Answer | Stored:
        questions = asks(lost)
        if key is None:
            return save(None, decide(_answers(questions)))
        if dear:
            stored, found = key.claim(questions)
            return stored if stored is not None else save(key, decide(found))
        # Alone: what was answered before is told without waiting for a lock of what it was about.
        stored, _ = key.claim()
        return stored if stored is not None else save(key, decide(_answers(questions)))

    by_itself = _in_transaction(alone, authorize)

    def attempt(key: Key | None, again: bool, lost: bool) -> Answer | HttpResponse:
        if again or dear:
            return batch.elsewhere(partial(by_itself, key, again, lost))
        return batch.ask(settle_each, Wanted(key, asks(False), decide, copy_context()), is_long=True)

    return _answer(request, attempt)


def _answers(questions: Sequence[Statement]) -> list[Rows]:
    return together(questions) if questions else []


def _in_transaction(body: _Body, authorize: Authorize | None) -> _Attempt:
    def attempt(key: Key | None, again: bool, lost: bool) -> Answer | HttpResponse:
        with transaction.atomic(durable=True):
            answer = body(key, again, lost)
            return _replay(answer, authorize) if isinstance(answer, Stored) else answer

    return attempt


def _answer(request: Request, attempt: _Attempt) -> HttpResponse:
    answer = _attempts(Key.of(request), attempt)
    if isinstance(answer, HttpResponse):
        remember_again(request, answer)
        return answer
    response = answer.response()
    if answer.xid is not None:
        wrote(request, response, answer.xid)
    return response


def _attempts(key: Key | None, attempt: _Attempt) -> Answer | HttpResponse:
    lost = False
    for number in range(ATTEMPTS):
        try:
            return attempt(key, number > 0, lost)
        except LookFirst:
            continue
        except LostRace:
            lost = True
        except OperationalError as error:
            if not isinstance(error.__cause__, DeadlockDetected):
                raise
            lost = True  # as nothing was done of this one of those that waited for each other
        except IntegrityError as error:
            if not partitions.made_missing(error):
                raise
    raise problems.unavailable("Too many writers change this at once. Nothing was changed.")


def _replay(stored: Stored, authorize: Authorize | None) -> HttpResponse:
    if stored.gone:
        raise Problem("gone", "What this call answered with was removed for good since.")
    subjects = stored.subjects or ([] if stored.subject is None else [stored.subject])
    if subjects and authorize is not None:
        authorize(subjects)
    return replay(stored)


def check_key(request: Request) -> None:
    """Refuses what a write would refuse about its key, and takes none: for a dry run."""
    Key.of(request)
