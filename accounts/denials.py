"""Tokens that are refused before they expire. Written twice: to Redis, which every call asks anyway, and to
PostgreSQL, which serves while Redis is down and from which a restarted Redis is filled again.
"""

import logging
import time
from datetime import timedelta

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections
from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts import access
from accounts.models import Denial
from accounts.tokens import LEEWAY
from config.cache import gate

logger = logging.getLogger(__name__)

# Greatest: the poller may bring an older event after a newer one, which must not shorten the newer denial.
_WRITE = """
INSERT INTO denial AS old (kind, subject, session, issued_before, written_at, expires_at)
VALUES (%s, %s, %s, %s, now(), %s)
ON CONFLICT (kind, subject, session) DO UPDATE SET
    issued_before = greatest(old.issued_before, excluded.issued_before),
    written_at = excluded.written_at,
    expires_at = greatest(old.expires_at, excluded.expires_at)
RETURNING issued_before
"""


class NotWritten(Exception):
    """Neither Redis nor PostgreSQL took the denial, so the tokens still work."""


def lifetime() -> int:
    """Seconds for which a denial is kept: longer than any accepted token lives."""
    return int(settings.OIDC_MAX_TOKEN_LIFETIME) + 2 * LEEWAY


def deny_session(subject: str, session: str) -> None:
    """Refuse the tokens of one session from now on; the subject's other devices go on."""
    published = gate.deny_session(subject, session, lifetime())
    if _write(Denial.Kind.SESSION, subject, session, 0) is None and not published:
        raise NotWritten
    logger.info("session denied", extra={"denied_subject": subject, "denied_session": session})


def deny_subject(subject: str, issued_before: int | None = None) -> None:
    """Refuse all of a subject's tokens issued up to `issued_before` (epoch seconds, default now).

    Up to and including: Keycloak's `iat` has whole seconds, so a token of the same second may be older.
    """
    before = int(time.time()) if issued_before is None else issued_before
    newest = _write(Denial.Kind.SUBJECT, subject, "", before)
    published = gate.deny_issued_before(subject, before if newest is None else newest, lifetime())
    if newest is None and not published:
        raise NotWritten
    logger.info("subject denied", extra={"denied_subject": subject, "issued_before": before})


def deny_everybody(issued_before: int | None = None) -> None:
    """Refuse all tokens issued up to now. Processes learn of it from PostgreSQL within two seconds."""
    before = int(time.time()) if issued_before is None else issued_before
    if _write(Denial.Kind.EVERYBODY, "", "", before) is None:
        raise NotWritten
    logger.warning("everybody denied", extra={"issued_before": before})


def covers(subject: str, session: str | None, issued_at: int) -> bool:
    """While Redis is down: does the copy in this process know of a denial?"""
    denied = access.DENIED.get()
    return denied is not None and denied.covers(subject, session, issued_at)


def in_force() -> QuerySet[Denial]:
    return Denial.objects.filter(expires_at__gt=timezone.now())


def against(subject: str, session: str, issued_at: int) -> QuerySet[Denial]:
    """The denials that hit an admin's session: asked of PostgreSQL itself, since admins are few."""
    return in_force().filter(
        Q(kind=Denial.Kind.SESSION, subject=subject, session=session)
        | Q(kind=Denial.Kind.SUBJECT, subject=subject, issued_before__gte=issued_at)
        | Q(kind=Denial.Kind.EVERYBODY, issued_before__gte=issued_at)
    )


def publish(denials: QuerySet[Denial]) -> int:
    """Write denials to Redis again (it was restarted or away); returns how many there were."""
    count = 0
    for denial in denials.exclude(kind=Denial.Kind.EVERYBODY).order_by("pk"):
        left = max(1, int((denial.expires_at - timezone.now()).total_seconds()))
        if denial.session:
            gate.deny_session(denial.subject, denial.session, left)
        else:
            gate.deny_issued_before(denial.subject, denial.issued_before, left)
        count += 1
    return count


def forget_expired() -> int:
    deleted, _ = Denial.objects.filter(expires_at__lte=timezone.now()).delete()
    return deleted


def _write(kind: str, subject: str, session: str, issued_before: int) -> int | None:
    """The `issued_before` that now stands in PostgreSQL, or None when it does not answer."""
    expires_at = timezone.now() + timedelta(seconds=lifetime())
    try:
        with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
            cursor.execute(_WRITE, [kind, subject, session, issued_before, expires_at])
            return int(cursor.fetchone()[0])
    except DatabaseError as error:
        logger.warning("denial not written to PostgreSQL", extra={"error": str(error)})
        return None
