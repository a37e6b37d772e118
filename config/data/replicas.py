"""Which replica may serve a read: alive, not far behind, and past the writes that the reader knows of.

A verdict costs one small query: once a second for a reader without a consistency token, once a request for
one with it. Every doubt is answered with the primary, so a bad replica costs load there and nothing else.
"""

import itertools
import logging
import time
from collections.abc import Collection
from dataclasses import dataclass

from django.conf import settings
from django.db import DatabaseError, connections
from prometheus_client import Counter

from config.data.postgres import patience

logger = logging.getLogger(__name__)

LAG_LIMIT = 10.0  # seconds behind the primary after which nobody reads there
VERDICT_LIFETIME = 1.0  # seconds
COOLDOWN = 5.0  # seconds after an error

READS = Counter("taskmill_reads", "Requests that read, by the database that served them", ["database"])

# NULL-safe: an idle primary sends nothing, so the age of the last replayed commit alone would look like lag. A replica
# that receives nothing has no lag either: its primary may be down, and then reads must go on here. Whoever has
# written since is sent away by what he wrote, not by this.
_LAG = """
SELECT CASE WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() AND NOT pg_is_wal_replay_paused() THEN 0
            ELSE extract(epoch FROM now() - pg_last_xact_replay_timestamp()) END
"""
# True when the transaction is committed *and replayed here*. pg_xact_status() raises for an id of the future,
# hence the CASE; pg_visible_in_snapshot() would lie on a standby, which lists no running transactions.
# NULL status: the id is so old that it was forgotten, hence visible.
_CAUGHT_UP = """
SELECT coalesce(bool_and(coalesce(
           CASE WHEN xid < pg_snapshot_xmax(pg_current_snapshot())
                THEN coalesce(pg_xact_status(xid), 'committed') END = 'committed', false)), true)
FROM unnest(%s::text[]::xid8[]) xid
"""


@dataclass
class _Verdict:
    usable: bool = True
    until: float = 0.0


_verdicts: dict[str, _Verdict] = {}
_turn = itertools.count()


def pick(after: Collection[int], *, forgiving: bool = False) -> str | None:
    """The alias of a replica that has replayed the transactions `after`, or None: read the primary.

    `forgiving`: also one that has failed a moment ago, for want of a primary.
    """
    aliases = settings.REPLICAS
    start = next(_turn)
    for offset in range(len(aliases)):
        alias = aliases[(start + offset) % len(aliases)]
        if patience.is_left_alone(alias):
            continue
        try:
            if _keeps_up(alias, forgiving) and (not after or _caught_up(alias, after)):
                return str(alias)
        except DatabaseError:
            distrust(alias)
    return None


def distrust(alias: str) -> None:
    """Leaves a replica alone for a while, after an error on it."""
    logger.warning("replica left alone", extra={"database": alias, "seconds": COOLDOWN})
    _verdicts[alias] = _Verdict(usable=False, until=time.monotonic() + COOLDOWN)
    connections[alias].close()


def lag(alias: str) -> float:
    """Seconds behind the primary; raises DatabaseError when the replica does not answer."""
    with connections[alias].cursor() as cursor:
        cursor.execute(_LAG)
        return float(cursor.fetchone()[0] or 0)


def _keeps_up(alias: str, forgiving: bool) -> bool:
    verdict = _verdicts.setdefault(alias, _Verdict())
    if verdict.until < time.monotonic() or (forgiving and not verdict.usable):
        verdict = _Verdict(lag(alias) <= LAG_LIMIT, time.monotonic() + VERDICT_LIFETIME)
        _verdicts[alias] = verdict
    return verdict.usable


def _caught_up(alias: str, after: Collection[int]) -> bool:
    # A statement of its own, before the read: the read's snapshot is then the later one.
    with connections[alias].cursor() as cursor:
        cursor.execute(_CAUGHT_UP, [[str(xid) for xid in after]])
        return bool(cursor.fetchone()[0])
