"""Idempotency-Key on unsafe calls (draft-ietf-httpapi-idempotency-key-header), and the transaction of a write.

The key row is written in the write's own transaction: both are there or neither, whatever dies in between.
A call that still runs holds an advisory lock on its key, so that the same call beside it is told to come back
(409) instead of waiting; the lock ends with the transaction, so a crash frees the key at once.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.http import HttpResponse
from rest_framework.request import Request

from config.api import problems
from config.api.keyed import Key, replay
from config.api.models import IdempotencyKey
from config.api.problems import Problem
from config.api.views import CONSISTENCY_TOKEN, remember_again, wrote
from config.data import consistency, partitions, transactions

ATTEMPTS = 4
KEPT = timedelta(hours=24)  # the contract's promise
BATCH = 5_000  # rows a statement: short locks


class LostRace(Exception):
    """A conditional update missed: somebody wrote between our read and our write. Start again."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a write answers. `xid` is its transaction; None when nothing was written: `perform` finds it out."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    xid: int | None = None
    subjects: tuple[UUID, ...] = ()  # what it tells of: a purge of one of them also takes the stored answer

    def response(self) -> HttpResponse:
        response = HttpResponse(self.body, status=self.status, headers=dict(self.headers))
        if self.body:
            response.headers["Content-Type"] = "application/json"
        else:
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
Authorize = Callable[[Sequence[UUID]], object]


def perform(request: Request, write: Write, *, authorize: Authorize | None = None) -> HttpResponse:
    """Runs `write(locked)` in one durable transaction, at most once for each key.

    `write` reads versions before its first write and raises LostRace when its conditional update misses; it is
    then run again in a new transaction, with `locked` true: it should take the object's advisory lock first.
    `authorize` is asked before a stored answer about objects is replayed.
    """
    answer = _attempts(Key.of(request), write, authorize)
    if isinstance(answer, HttpResponse):
        remember_again(request, answer)
        return answer
    response = answer.response()
    if answer.xid is not None:
        wrote(request, response, answer.xid)
    return response


def _attempts(key: Key | None, write: Write, authorize: Authorize | None) -> Answer | HttpResponse:
    for attempt in range(ATTEMPTS):
        try:
            with transaction.atomic(durable=True):
                if key is not None and (stored := key.claim()) is not None:
                    return _replay(stored, authorize)
                answer = write(attempt > 0)
                if answer.xid is None:  # what changed nothing has seen a state all the same
                    answer = replace(answer, xid=transactions.current_id())
                if key is not None:
                    key.store(answer.status, answer.body, _with_token(answer), answer.subjects)
                return answer
        except LostRace:
            continue
        except IntegrityError as error:
            if not partitions.made_missing(error):
                raise
    raise problems.unavailable("Too many writers change this at once. Nothing was changed.")


def _with_token(answer: Answer) -> dict[str, str]:
    """The caller of a replay may not have had the first answer: he too must see the write from then on."""
    token = {} if answer.xid is None else {CONSISTENCY_TOKEN: consistency.encode(answer.xid)}
    return {**answer.headers, **token}


def _replay(stored: IdempotencyKey, authorize: Authorize | None) -> HttpResponse:
    if stored.gone:
        raise Problem("gone", "What this call answered with was removed for good since.")
    subjects = stored.subjects or ([] if stored.subject is None else [stored.subject])
    if subjects and authorize is not None:
        authorize(subjects)
    return replay(stored)


def check_key(request: Request) -> None:
    """Refuses what a write would refuse about its key, and takes none: for a dry run."""
    Key.of(request)
