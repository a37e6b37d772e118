"""Where the reads of this request go.

Outside a scope (workers, commands, the admin) and inside a transaction everything reads the primary. The API
opens a scope for safe methods, with the transaction id that the reader must be able to see.
"""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TypeVar

from django.conf import settings
from django.db import InterfaceError, OperationalError, connections

from config.data import replicas
from config.data.postgres import patience

T = TypeVar("T")
PRIMARY = "default"


@dataclass
class _Scope:
    replicas: bool
    after: set[int]
    unsettled: frozenset[int] = frozenset()  # writes of which nobody was told that they were done
    alias: str | None = None


_scope: ContextVar[_Scope | None] = ContextVar("reading_scope", default=None)


@contextmanager
def scope(after: int | None, *, replicas: bool) -> Iterator[None]:
    """Reads inside may go to a replica that has replayed transaction `after` (None: any healthy one)."""
    token = _scope.set(_Scope(replicas, set() if after is None else {after}))
    try:
        yield
    finally:
        _scope.reset(token)


def demand(after: Collection[int], unsettled: Collection[int] = ()) -> None:
    """The reads of this scope must also see these transactions; the `unsettled` ones unless the primary is away."""
    current = _scope.get()
    if current is not None:
        current.after.update(after)
        current.unsettled |= set(unsettled)


def demand_primary() -> None:
    """Nobody knows what this reader has written (Redis is down): the primary does."""
    current = _scope.get()
    if current is not None:
        current.replicas = False


def demanded() -> frozenset[int]:
    """The transactions that this reader knows of."""
    current = _scope.get()
    return frozenset() if current is None else current.unsettled | current.after


def alias() -> str:
    """The database for the next read; one choice a scope, so that a request sees one state."""
    current = _scope.get()
    if current is None or not current.replicas or connections[PRIMARY].in_atomic_block:
        return PRIMARY
    if current.alias is None:
        current.alias = _choice(current)
        replicas.READS.labels(current.alias).inc()
    return current.alias


def _choice(current: _Scope) -> str:
    found = replicas.pick(current.after | current.unsettled)
    if found is None and patience.is_left_alone(PRIMARY):
        found = replicas.pick(current.after, forgiving=True)
    return found or PRIMARY


def read(query: Callable[[], T]) -> T:
    """Runs a read; when the database fails under it, once more on another that may serve it."""
    for _ in settings.REPLICAS:
        try:
            return query()
        except (OperationalError, InterfaceError):
            if not _moved():
                raise
    return query()


def _moved() -> bool:
    current = _scope.get()
    if current is None or current.alias is None:
        return False
    failed = current.alias
    if failed == PRIMARY:  # then even a replica that has failed a moment ago is asked, for want of a better one
        current.unsettled = frozenset()
        current.alias = replicas.pick(current.after, forgiving=True) or PRIMARY
    else:
        replicas.distrust(failed)
        current.alias = _choice(current)
    return current.alias != failed
