"""Waiting for news in the change feed, without a thread or a connection that asks for one caller only.

One thread of the process asks for all who wait in it, one query a round: what it costs depends on who waits here, and
not on what others write. It ends when nobody waits.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
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
    news: Future[int] = field(default_factory=Future)


_lock = threading.Lock()
_waiters: set[_Waiter] = set()
_asker: threading.Thread | None = None


def may_wait() -> bool:
    """Whether fewer wait in this process than may; about, as those who were just told so do not wait yet."""
    return len(_waiters) < settings.API_WAITING


async def behind(owner: str, place: Place) -> int:
    """The transaction of the first event behind `place`, once there is one: the next read must see it."""
    waiter = _Waiter(owner, place)
    _enter(waiter)
    try:
        return await asyncio.wrap_future(waiter.news)
    finally:
        with _lock:
            _waiters.discard(waiter)
        WAITING.dec()


def _enter(waiter: _Waiter) -> None:
    global _asker  # noqa: PLW0603
    waiter.news.set_running_or_notify_cancel()  # so that it can be told although nobody listens any more
    with _lock:
        _waiters.add(waiter)
        WAITING.inc()
        if _asker is None:
            _asker = threading.Thread(target=_ask, name="news", daemon=True)
            _asker.start()


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
                _tell(waiters[number - 1], int(xid))


def _tell(waiter: _Waiter, xid: int) -> None:
    with _lock:
        _waiters.discard(waiter)  # before the next round, however long the loop takes to listen
    waiter.news.set_result(xid)
