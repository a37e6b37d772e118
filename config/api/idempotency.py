"""Idempotency-Key on unsafe calls (draft-ietf-httpapi-idempotency-key-header), and the transaction of a write.

The key row is written in the write's own transaction: both are there or neither, whatever dies in between.
A call that still runs holds an advisory lock on its key, so that the same call beside it is told to come back
(409) instead of waiting; the lock ends with the transaction, so a crash frees the key at once.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from types import MappingProxyType
from typing import NamedTuple
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.http import HttpResponse
from rest_framework.request import Request

from config.api import problems
from config.api.keyed import Key, Stored, replay
from config.api.models import IdempotencyKey
from config.api.problems import Problem
from config.api.views import remember_again, wrote
from config.data import partitions, transactions
from config.data.statements import Insert, LostRace, Rows, Statement, merged, together
from config.events import log
from config.events.log import Unsaved

ATTEMPTS = 4
KEPT = timedelta(hours=24)  # the contract's promise
BATCH = 5_000  # rows a statement: short locks


class Answer(NamedTuple):
    """What a write answers. `xid` is its transaction; None when nothing was written: `perform` finds it out."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = MappingProxyType({})
    xid: int | None = None
    subjects: tuple[UUID, ...] = ()  # what it tells of: a purge of one of them also takes the stored answer
    unsaved: Unsaved | None = None  # what is still to be done before it is true (`settle`)

    def response(self) -> HttpResponse:
        headers = {**self.headers, "Content-Type": "application/json"}
        response = HttpResponse(self.body, status=self.status, headers=headers)
        if not self.body:
            del response.headers["Content-Type"]
        return response


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
Decide = Callable[[list[Rows]], Answer]
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
            together(merged([_kept(key, answer)]))
        return answer

    return _answer(request, _in_transaction(attempt, authorize))


def add(request: Request, decide: Callable[[], Answer], *, authorize: Authorize | None = None) -> HttpResponse:
    """`settle` for a write that has no questions and only inserts: at first in one transaction with what other calls
    of the batch insert, and by itself when that fails.
    """

    def alone(key: Key | None, again: bool, lost: bool) -> Answer | Stored:
        stored = None if key is None else key.claim()[0]
        return stored if stored is not None else _save(key, decide())

    by_itself = _in_transaction(alone, authorize)

    def attempt(key: Key | None, again: bool, lost: bool) -> Answer | HttpResponse:
        if again:
            return by_itself(key, again, lost)
        answer = decide() if key is None else _decided_early(decide)
        return answer._replace(xid=log.add(_unsaved(key, answer)), unsaved=None)

    return _answer(request, attempt)


def settle(
    request: Request, decide: Decide, *, asks: Asks, dear: bool = False, authorize: Authorize | None = None
) -> HttpResponse:
    """`perform` for a write that leaves all statements to us, so that they travel together: what `asks(locked)` wants
    to know, in one round trip; and what `decide` makes of it (`Answer.unsaved`), with the answer to keep.

    The key is taken only with what is saved. When it was used, or `decide` refuses, nothing has happened yet, and the
    next attempt looks first. So a repeated call costs more; one that is `dear` always looks first.
    """

    def attempt(key: Key | None, again: bool, lost: bool) -> Answer | Stored:
        questions = asks(lost)
        if key is None:
            return _save(None, decide(_answers(questions)))
        if dear:
            stored, found = key.claim(questions)
            return stored if stored is not None else _save(key, decide(found))
        if again:  # alone: what was answered before is told without waiting for a lock of what it was about
            stored, _ = key.claim()
            return stored if stored is not None else _save(key, decide(_answers(questions)))
        # A call that waits for a row could wait for this very call, which is to be told at once.
        found = _answers([key.lock(), *questions])[1:]
        return _save(key, _decided_early(partial(decide, found)))

    return _answer(request, _in_transaction(attempt, authorize))


class _LookFirst(Exception):
    """`decide` refused, which is no answer yet: the call may have been done before, in another state."""


def _answers(questions: Sequence[Statement]) -> list[Rows]:
    return together(questions) if questions else []


def _decided_early(decide: Callable[[], Answer]) -> Answer:
    try:
        return decide()
    except Problem as problem:
        raise _LookFirst from problem


def _save(key: Key | None, answer: Answer) -> Answer:
    return answer._replace(xid=log.save(*_unsaved(key, answer)), unsaved=None)


def _unsaved(key: Key | None, answer: Answer) -> Unsaved:
    statements, events = answer.unsaved or Unsaved((), ())
    return Unsaved([*([] if key is None else [_kept(key, answer)]), *statements], events)


def _kept(key: Key, answer: Answer) -> Insert:
    return key.store(answer.status, answer.body, answer.headers, answer.subjects, wrote=True)


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
        except _LookFirst:
            continue
        except LostRace:
            lost = True
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
