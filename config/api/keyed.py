"""What an Idempotency-Key stands for: its call, and the answer that is stored for it.

A refusal is an answer too: the same call gets it again, even when the state has changed since, wherever it was raised.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
from django.conf import settings
from django.db import connection, transaction
from django.http import HttpResponse, UnreadablePostError
from rest_framework.exceptions import APIException
from rest_framework.request import Request

from config.api import bodies
from config.api.caller import caller
from config.api.models import IdempotencyKey
from config.api.problems import Problem

# The call was not judged (401, 403, 429), or will not be in any form; 5xx neither.
_NOT_FINAL = frozenset({401, 403, 405, 406, 411, 413, 415, 429})
_KEPT_OF_REFUSALS = ("Content-Type", "ETag")
_KEY = re.compile(r'"([\x20-\x21\x23-\x7e]{1,255})"|([\x21\x23-\x7e][\x20-\x7e]{0,254})')


class Taken(Problem):
    """The key itself refused the call, which is then no answer to keep for it."""


_NO_ANSWERS = (Taken, bodies.Unreadable, UnreadablePostError)


class Key:
    def __init__(self, principal: str, route: str, key: str, fingerprint: bytes) -> None:
        self.principal, self.route, self.key, self.fingerprint = principal, route, key, fingerprint

    @classmethod
    def of(cls, request: Request) -> "Key | None":
        """That of a call; None without one. Raises Problem 400 for a malformed or missing one."""
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
        return cls(caller(request).id, route, match[1] or match[2], _fingerprint(request))

    def claim(self) -> IdempotencyKey | None:
        """The stored answer of this call, or None after taking the key. Taken: 409 while it runs, 422 on another body.

        The lock is taken in a statement before the look-up, whose snapshot then holds whatever the call that
        had the lock before us has committed.
        """
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [self._lock()])
            free = cursor.fetchone()[0]
        stored = IdempotencyKey.objects.using("default").filter(**self._identity()).first()
        if stored is None and free:
            return None
        if stored is None:
            raise Taken("in-flight", headers={"Retry-After": "1"})
        if bytes(stored.fingerprint) != self.fingerprint:
            raise Taken("idempotency-mismatch")
        return stored

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


def _fingerprint(request: Request) -> bytes:
    """Of all that the call says. No write knows a query parameter, so that only a refused call has a query."""
    resolved = request.resolver_match
    parts = [{name: str(value) for name, value in (resolved.kwargs if resolved else {}).items()}, request.data]
    if query := request.META.get("QUERY_STRING"):
        parts.append(query)
    return hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).digest()


def replay(stored: IdempotencyKey) -> HttpResponse:
    headers = {"Content-Type": "application/json", **stored.headers, "Idempotency-Replayed": "true"}
    response = HttpResponse(bytes(stored.body), status=stored.status, headers=headers)
    if not stored.body:
        del response.headers["Content-Type"]
    return response


def of_refused(request: Request, error: Exception, response: HttpResponse) -> Key | None:
    """The key under which this refusal of a write is to be kept; None when it is not final, or nobody knows of what."""
    if isinstance(error, _NO_ANSWERS) or response.status_code >= 500 or response.status_code in _NOT_FINAL:
        return None
    if request.successful_authenticator is None or bodies.refusal(request._request) is not None:
        return None
    try:
        return Key.of(request)
    except (APIException, UnreadablePostError):
        return None


def keep_refusal(key: Key, response: HttpResponse) -> HttpResponse:
    """Stores it. When the same call was refused so before, that answer."""
    try:
        with transaction.atomic(durable=True):
            stored = key.claim()
            if stored is None:
                kept = {name: response.headers[name] for name in _KEPT_OF_REFUSALS if name in response.headers}
                key.store(response.status_code, response.content, kept, ())
    except Taken:
        return response  # what is wrong with the body is told before a key that was used for another
    # With another status: the call was done before, and has a wrong header only now.
    return replay(stored) if stored is not None and stored.status == response.status_code else response
