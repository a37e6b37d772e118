"""What an Idempotency-Key stands for: its call, and the answer that is stored for it.

A refusal is an answer too: the same call gets it again, even when the state has changed since, wherever it was raised.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import NamedTuple
from uuid import UUID

import orjson
from django.conf import settings
from django.db import transaction
from django.http import HttpResponse, UnreadablePostError
from rest_framework.exceptions import APIException
from rest_framework.request import Request

from config.api import bodies
from config.api.caller import caller
from config.api.problems import Problem
from config.data import consistency
from config.data.statements import Insert, Rows, Statement, merged, together

# The call was not judged (401, 403, 429), or will not be in any form; 5xx neither.
_NOT_FINAL = frozenset({401, 403, 405, 406, 411, 413, 415, 429})
_KEPT_OF_REFUSALS = ("Content-Type", "ETag")
_KEY = re.compile(r'"([\x20-\x21\x23-\x7e]{1,255})"|([\x21\x23-\x7e][\x20-\x7e]{0,254})')
# As SQL, because every write comes by: the ORM's way to say it costs as much as all that the database does.
_LOOK = """
SELECT fingerprint, status, headers, body, xid::text, subject, subjects, gone FROM idempotency_key
WHERE principal = %s AND route = %s AND key = %s
"""
# Nothing while another call with this key runs (which holds the lock), or when the key was used.
_STORE = """
INSERT INTO idempotency_key
    (principal, route, key, fingerprint, status, headers, body, xid, subject, subjects, gone, created_at)
SELECT {}, CASE WHEN {} THEN pg_current_xact_id() END, {}, false, {}
{} WHERE pg_try_advisory_xact_lock({}) ON CONFLICT DO NOTHING
"""
_STORE_ONE = _STORE.format(
    "%s, %s, %s, decode(%s, 'hex'), %s, %s::jsonb, decode(%s, 'hex')", "%s", "%s::uuid, %s::uuid[]", "%s", "", "%s"
)
_STORE_MANY = _STORE.format(
    "principal, route, key, decode(fingerprint, 'hex'), status, headers, decode(body, 'hex')",
    "wrote",
    "subject, subjects",
    "created_at",
    """FROM jsonb_to_recordset(%s::jsonb) AS new(principal text, route text, key text, fingerprint text,
    status smallint, headers jsonb, body text, wrote boolean, subject uuid, subjects uuid[], created_at timestamptz,
    number bigint)""",
    "number",
)


class _New(NamedTuple):
    """A row of a key that is taken. Bytes are in hex, which JSON can hold."""

    principal: str
    route: str
    key: str
    fingerprint: str
    status: int
    headers: dict[str, str]
    body: str
    wrote: bool
    subject: UUID | None
    subjects: list[UUID] | None
    created_at: datetime
    number: int


def _store(new: Sequence[_New]) -> Statement:
    if len(new) > 1:
        return Statement(_STORE_MANY, [orjson.dumps([one._asdict() for one in new]).decode()], rows=len(new))
    [one] = new
    return Statement(_STORE_ONE, one._replace(headers=orjson.dumps(one.headers).decode()), rows=1)  # type: ignore[arg-type]


class Stored(NamedTuple):
    """An answer. `xid` is the transaction of its write, None when nothing was written."""

    fingerprint: bytes
    status: int
    headers: str  # JSON
    body: bytes
    xid: str | None
    subject: UUID | None
    subjects: list[UUID] | None
    gone: bool


class Taken(Problem):
    """The key itself refused the call, which is then no answer to keep for it."""


_NO_ANSWERS = (Taken, bodies.Unreadable, UnreadablePostError)


class Key:
    def __init__(self, principal: str, route: str, key: str, fingerprint: bytes) -> None:
        self.principal, self.route, self.key, self.fingerprint = principal, route, key, fingerprint

    @classmethod
    def of(cls, request: Request) -> "Key | None":
        """That of a call; None without one. Raises Problem 400 for a malformed or missing one."""
        raw = request._request.META.get("HTTP_IDEMPOTENCY_KEY")
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

    def claim(self, asks: Sequence[Statement] = ()) -> tuple[Stored | None, list[Rows]]:
        """The stored answer of this call, or None after taking the key; and what `asks` found, in the same round trip.
        Taken: 409 while the call runs, 422 on another body.

        The lock is taken in a statement before the look-up, whose snapshot then holds whatever the call that
        had the lock before us has committed.
        """
        [[free]], looked, *found = together([self.lock(), Statement(_LOOK, self._identity()), *asks])
        stored = Stored(*looked[0]) if looked else None
        if stored is None and not free:
            raise Taken("in-flight", headers={"Retry-After": "1"})
        if stored is not None and stored.fingerprint != self.fingerprint:
            raise Taken("idempotency-mismatch")
        return stored, found

    def store(
        self, status: int, body: bytes, headers: Mapping[str, str], subjects: Sequence[UUID], *, wrote: bool
    ) -> Insert:
        """Keeps an answer; takes the key first, where `claim` has not: LostRace when somebody else has it."""
        new = _New(
            *self._identity(),
            self.fingerprint.hex(),
            status,
            dict(headers),
            body.hex(),
            wrote,
            subjects[0] if len(subjects) == 1 else None,
            list(subjects) if len(subjects) > 1 else None,
            datetime.now(UTC),
            self.number,
        )
        return Insert(_store, [new])

    def lock(self) -> Statement:
        """Tells whether no other call with this key runs, and keeps it from running in this transaction."""
        return Statement("SELECT pg_try_advisory_xact_lock(%s)", [self.number])

    def _identity(self) -> tuple[str, str, str]:
        return self.principal, self.route, self.key

    @cached_property
    def number(self) -> int:
        """Of its lock."""
        digest = hashlib.sha256(orjson.dumps(self._identity())).digest()
        return int.from_bytes(digest[:8], "big", signed=True)


def _fingerprint(request: Request) -> bytes:
    """Of all that the call says. No write knows a query parameter, so that only a refused call has a query."""
    resolved = request.resolver_match
    parts = [{name: str(value) for name, value in (resolved.kwargs if resolved else {}).items()}, request.data]
    if query := request.META.get("QUERY_STRING"):
        parts.append(query)
    return hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).digest()


def replay(stored: Stored) -> HttpResponse:
    """The caller may not have had the first answer: he too must see the write from then on, hence the token."""
    token = {} if stored.xid is None else {consistency.HEADER: consistency.encode(int(stored.xid))}
    kept = {"Content-Type": "application/json", **token, **orjson.loads(stored.headers)}
    response = HttpResponse(stored.body, status=stored.status, headers={**kept, "Idempotency-Replayed": "true"})
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
            stored, _ = key.claim()
            if stored is None:
                kept = {name: response.headers[name] for name in _KEPT_OF_REFUSALS if name in response.headers}
                together(merged([key.store(response.status_code, response.content, kept, (), wrote=False)]))
    except Taken:
        return response  # what is wrong with the body is told before a key that was used for another
    # With another status: the call was done before, and has a wrong header only now.
    return replay(stored) if stored is not None and stored.status == response.status_code else response
