"""Idempotency-Key on unsafe calls (draft-ietf-httpapi-idempotency-key-header), and the transaction of a write.

The key row is written in the write's own transaction: both are there or neither, whatever dies in between.
A call that still runs holds an advisory lock on its key, so that the same call beside it is told to come back
(409) instead of waiting; the lock ends with the transaction, so a crash frees the key at once.
"""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q
from django.http import HttpResponse
from rest_framework.request import Request

from config.api import problems
from config.api.caller import caller
from config.api.models import IdempotencyKey
from config.api.problems import Problem
from config.api.views import CONSISTENCY_TOKEN, remember_again, wrote
from config.data import consistency

ATTEMPTS = 4
KEPT = timedelta(hours=24)  # the contract's promise
BATCH = 5_000  # rows a statement: short locks
_KEY = re.compile(r'"([\x20-\x21\x23-\x7e]{1,255})"|([\x21\x23-\x7e][\x20-\x7e]{0,254})')
_NOT_FINAL = frozenset({401, 403, 429})
_KEPT_OF_REFUSALS = ("Content-Type", "ETag")


class LostRace(Exception):
    """A conditional update missed: somebody wrote between our read and our write. Start again."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a write answers. `xid` is its transaction, None when nothing was written."""

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
    key = _Key.of(request)
    try:
        answer = _attempts(key, write, authorize)
    except Problem as problem:
        if key is not None and problem.status_code < 500 and problem.status_code not in _NOT_FINAL:
            _store_refusal(key, problems.respond(problem, request._request))
        raise
    if isinstance(answer, HttpResponse):
        remember_again(request, answer)
        return answer
    response = answer.response()
    if answer.xid is not None:
        wrote(request, response, answer.xid)
    return response


def _attempts(key: "_Key | None", write: Write, authorize: Authorize | None) -> Answer | HttpResponse:
    for attempt in range(ATTEMPTS):
        try:
            with transaction.atomic(durable=True):
                if key is not None and (stored := key.claim()) is not None:
                    return _replay(stored, authorize)
                answer = write(attempt > 0)
                if key is not None:
                    key.store(answer.status, answer.body, _with_token(answer), answer.subjects)
                return answer
        except LostRace:
            continue
    raise problems.unavailable("Too many writers change this at once. Nothing was changed.")


def _with_token(answer: Answer) -> dict[str, str]:
    """The caller of a replay may not have had the first answer: he too must see the write from then on."""
    token = {} if answer.xid is None else {CONSISTENCY_TOKEN: consistency.encode(answer.xid)}
    return {**answer.headers, **token}


def _store_refusal(key: "_Key", response: HttpResponse) -> None:
    """A refusal is an answer too: the same call gets it again, even when the state has changed since."""
    if key.blocked:
        return
    with transaction.atomic(durable=True):
        if key.claim() is None:
            headers = {name: response.headers[name] for name in _KEPT_OF_REFUSALS if name in response.headers}
            key.store(response.status_code, response.content, headers, ())


def _replay(stored: "IdempotencyKey", authorize: Authorize | None) -> HttpResponse:
    if stored.gone:
        raise Problem("gone", "The task of this call was purged since.")
    subjects = stored.subjects or ([] if stored.subject is None else [stored.subject])
    if subjects and authorize is not None:
        authorize(subjects)
    answer = Answer(stored.status, bytes(stored.body), stored.headers)
    response = answer.response()
    response.headers["Idempotency-Replayed"] = "true"
    if stored.headers.get("Content-Type"):
        response.headers["Content-Type"] = stored.headers["Content-Type"]
    return response


def check_key(request: Request) -> None:
    """Refuses what a write would refuse about its key, and takes none: for a dry run."""
    _Key.of(request)


class _Key:
    def __init__(self, principal: str, route: str, key: str, fingerprint: bytes) -> None:
        self.principal, self.route, self.key, self.fingerprint = principal, route, key, fingerprint
        self.blocked = False  # the key itself refused the call; there is nothing to store

    @classmethod
    def of(cls, request: Request) -> "_Key | None":
        raw = request.headers.get("Idempotency-Key")
        if raw is None:
            if caller(request).client in settings.STRICT_CLIENTS:
                raise Problem("bad-request", "This client must send an Idempotency-Key with every write.")
            return None
        match = _KEY.fullmatch(raw)
        if match is None:
            raise Problem(
                "bad-request",
                "Idempotency-Key must be 1 to 255 printable ASCII characters, bare or in quotes.",
            )
        resolved = request.resolver_match
        route = f"{request.method} {resolved.route}" if resolved else str(request.method)
        parts = [{k: str(v) for k, v in (resolved.kwargs if resolved else {}).items()}, request.data]
        fingerprint = hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).digest()
        return cls(caller(request).id, route, match[1] or match[2], fingerprint)

    def claim(self) -> IdempotencyKey | None:
        """The stored answer of this call, or None after taking the key. 409 while it runs, 422 on another body.

        The lock is taken in a statement before the look-up, whose snapshot then holds whatever the call that
        had the lock before us has committed.
        """
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [self._lock()])
            free = cursor.fetchone()[0]
        stored = IdempotencyKey.objects.using("default").filter(**self._identity()).first()
        if stored is None and free:
            return None
        if stored is not None and bytes(stored.fingerprint) == self.fingerprint:
            return stored
        self.blocked = True
        if stored is not None:
            raise Problem("idempotency-mismatch")
        raise Problem("in-flight", headers={"Retry-After": "1"})

    def store(self, status: int, body: bytes, headers: Mapping[str, str], subjects: Sequence[UUID]) -> None:
        IdempotencyKey.objects.create(
            **self._identity(),
            fingerprint=self.fingerprint,
            status=status,
            body=body,
            headers=dict(headers),
            subject=subjects[0] if len(subjects) == 1 else None,
            subjects=list(subjects) if len(subjects) > 1 else None,
            created_at=datetime.now(UTC),
        )

    def _identity(self) -> dict[str, Any]:
        return {"principal": self.principal, "route": self.route, "key": self.key}

    def _lock(self) -> int:
        text = orjson.dumps([self.principal, self.route, self.key])
        return int.from_bytes(hashlib.sha256(text).digest()[:8], "big", signed=True)
