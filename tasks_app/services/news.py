"""Waiting for news in the change feed, without a thread or a connection that asks for one caller only.

One thread of the process asks for all who wait in it, one query a round: what it costs depends on who waits here, and
not on what others write. It ends when nobody waits. Only `wait_for` would change for callers that are coroutines.
"""

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.db import Error, connections
from prometheus_client import Gauge

from tasks_app.services.changes import BEHIND, PLAN, Place

logger = logging.getLogger(__name__)

ROUND = 0.25  # seconds; between the primary's answers, however many wait
WAITING = Gauge("taskmill_feed_waiting", "Calls that wait for news", multiprocess_mode="livesum")

_NEWS = f"""{PLAN}
    SELECT number,
           (SELECT event.xid::text FROM event
            WHERE {BEHIND.format(owner="waiter.owner", xid="waiter.xid", id="waiter.id")} LIMIT 1)
    FROM unnest(%(owners)s::text[], %(xids)s::text[]::xid8[], %(ids)s::uuid[])
         WITH ORDINALITY AS waiter (owner, xid, id, number)
"""  # noqa: S608 (constants)


@dataclass(eq=False)
class _Waiter:
    owner: str
    place: Place
    woken: threading.Event = field(default_factory=threading.Event)
    xid: int | None = None


_lock = threading.Lock()
_waiters: set[_Waiter] = set()
_asker: threading.Thread | None = None


def wait_for(owner: str, place: Place, seconds: float) -> int | None:
    """The transaction of the first event behind `place`: the next read must see it.

    None when none came in time, or at once when too many wait here already.
    """
    waiter = _Waiter(owner, place)
    if seconds <= 0 or not _enter(waiter):
        return None
    try:
        waiter.woken.wait(seconds)
    finally:
        with _lock:
            _waiters.discard(waiter)
        WAITING.dec()
    return waiter.xid


def _enter(waiter: _Waiter) -> bool:
    global _asker  # noqa: PLW0603
    with _lock:
        if len(_waiters) >= settings.API_WAITING:
            return False
        _waiters.add(waiter)
        WAITING.inc()
        if _asker is None:
            _asker = threading.Thread(target=_ask, name="news", daemon=True)
            _asker.start()
    return True


def _ask() -> None:
    try:
        while waiters := _next():
            try:
                _wake(waiters)
            except Error as error:
                logger.warning("nobody can be told news: %s", error)
                connections.close_all()  # of this thread: a broken connection stays broken
            time.sleep(ROUND)
    finally:
        connections.close_all()


def _next() -> Sequence[_Waiter]:
    """Who waits. When nobody does the next one starts another thread, decided under the lock that he takes."""
    global _asker  # noqa: PLW0603
    with _lock:
        if not _waiters:
            _asker = None
        return tuple(_waiters)


def _wake(waiters: Sequence[_Waiter]) -> None:
    asked: dict[str, Any] = {
        "owners": [waiter.owner for waiter in waiters],
        "xids": [str(waiter.place.xid) for waiter in waiters],
        "ids": [waiter.place.id for waiter in waiters],
        "floor": min(waiter.place.floor for waiter in waiters),
    }
    with connections["default"].cursor() as cursor:
        cursor.execute(_NEWS, asked)
        cursor.nextset()
        for number, xid in cursor.fetchall():
            if xid is not None:
                waiter = waiters[number - 1]
                waiter.xid = int(xid)
                waiter.woken.set()
