"""What decides access and may change at any time, as this process last read it from PostgreSQL.

The role matrix, and the time up to which everybody's tokens are denied, are read every two seconds by a
background thread. While Redis is down, so are the other denials, for which the gate is asked otherwise.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections

from accounts.models import PERMISSIONS
from accounts.refreshed import Refreshed
from accounts.roles import Matrix
from config.data.postgres import patience

T = TypeVar("T")

_MATRIX = """
SELECT role.name, array_remove(array_agg(permission.codename::text), NULL)
FROM auth_group role
LEFT JOIN auth_group_permissions held ON held.group_id = role.id
LEFT JOIN auth_permission permission ON permission.id = held.permission_id
GROUP BY role.name
"""
_EVERYBODY = "SELECT coalesce(max(issued_before), 0) FROM denial WHERE kind = 'everybody' AND expires_at > now()"
_DENIALS = "SELECT subject, session, issued_before FROM denial WHERE kind <> 'everybody' AND expires_at > now()"


@dataclass(frozen=True, slots=True)
class Access:
    matrix: Matrix
    denied_before: int  # everybody's tokens issued up to this epoch second


@dataclass(frozen=True, slots=True)
class Denied:
    sessions: frozenset[tuple[str, str]]
    subjects: Mapping[str, int]

    def covers(self, subject: str, session: str | None, issued_at: int) -> bool:
        return (subject, session) in self.sessions or issued_at <= self.subjects.get(subject, -1)


def _load_access() -> Access:
    def query(alias: str) -> Access:
        with connections[alias].cursor() as cursor:
            cursor.execute(_MATRIX)
            matrix = {name: frozenset(PERMISSIONS).intersection(held) for name, held in cursor.fetchall()}
            cursor.execute(_EVERYBODY)
            return Access(matrix, int(cursor.fetchone()[0]))

    return _from_any_database(query)


def _load_denied() -> Denied:
    def query(alias: str) -> Denied:
        with connections[alias].cursor() as cursor:
            cursor.execute(_DENIALS)
            rows = cursor.fetchall()
        return Denied(
            frozenset((subject, session) for subject, session, _ in rows if session),
            {subject: before for subject, session, before in rows if not session},
        )

    return _from_any_database(query)


def _from_any_database(query: Callable[[str], T]) -> T:
    """Ask the primary, and the replicas only when it is down: what is revoked must be read where it is written.

    Runs in the background thread, where nobody else looks after its connection.
    """
    *earlier, last = [DEFAULT_DB_ALIAS, *settings.REPLICAS]
    for alias in earlier:
        try:
            return _asking(alias, query)
        except DatabaseError:
            continue
    return _asking(last, query)


def _asking(alias: str, query: Callable[[str], T]) -> T:
    """A server of calls, which asks every two seconds, keeps its connection: a login costs more than all the rest."""
    connection, keeps = connections[alias], False
    connection.close_if_unusable_or_obsolete()
    try:
        found, keeps = query(alias), patience.is_on
        return found
    finally:
        if not keeps:
            connection.close()


def _refreshed(load: Callable[[], T]) -> Refreshed[T]:
    # `tolerate` keeps the promise of a few seconds in a process that had been idle.
    return Refreshed(
        load,
        errors=(DatabaseError,),
        every=2,
        tolerate=4,
        keep=float("inf"),
        pause=0.5,
        retry_after=3,
        wait=1,
    )


ACCESS: Refreshed[Access] = _refreshed(_load_access)
DENIED: Refreshed[Denied] = _refreshed(_load_denied)
