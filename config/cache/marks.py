"""What Redis is told of a write: before its commit what it touches, after it what it left.

Told before, because a process may die right after the commit: then what was kept is gone, and the caller's next reads
look for his write, as long as it is not known how it ended. A transaction that ends otherwise has cost a few misses.
When Redis cannot be told, it has to forget everything before anybody believes it again.
"""

from collections import deque
from collections.abc import Collection, Mapping
from functools import partial

from django.db import DEFAULT_DB_ALIAS, transaction

from config import batch
from config.cache import memory, redis, shelf
from config.cache.commands import Command, Script, lua
from config.cache.keys import key
from config.cache.redis import Unavailable
from config.cache.shelf import Place

WRITE_MEMORY = 60  # seconds for which a principal's own writes are looked for; a replica behind more is not read
# Milliseconds that they have left when they are looked for no longer. A full Redis lets go first what ends first, which
# must not be this while a replica may lack the write.
LEFT = shelf.TOUCHED
# Of two writes at the same time the one with the lower transaction id may commit last, so one id is not enough.
_WRITES_KEPT = 16

_REMEMBER = Script(
    lua("clock")
    + """
local pushed = redis.pcall('LPUSH', KEYS[1], ARGV[1])
if type(pushed) == 'table' then  -- an error: junk
  redis.call('DEL', KEYS[1])
  redis.call('LPUSH', KEYS[1], ARGV[1])
end
redis.call('LREM', KEYS[1], 1, '-' .. ARGV[1])
redis.call('LTRIM', KEYS[1], 0, ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return milliseconds()
"""
)
_told: deque[tuple[int, str]] = deque(maxlen=500)  # transactions and who wrote in them, the last ones first


def remember(subject: str, xid: int) -> Command:
    """Makes the next reads of this principal see transaction `xid`; below zero: one that may have been committed."""
    return _REMEMBER.on([key(subject, "wrote")], [xid, _WRITES_KEPT - 1, 1000 * WRITE_MEMORY + LEFT])


def tell(
    xid: int,
    *,
    actors: Collection[str],
    touched: Collection[str],
    left: Mapping[Place, bytes],
    using: str = DEFAULT_DB_ALIAS,
) -> None:
    """Called in a transaction, before its commit. `touched` are subjects, `left` are payloads."""
    touches = [shelf.touch(subject, xid) for subject in touched]
    try:
        now, *_, name = redis.together([*(remember(actor, -xid) for actor in actors), *touches, memory.ASK])
    except Unavailable:
        transaction.on_commit(memory.forget, using=using, robust=True)
        return
    _told.extendleft((xid, actor) for actor in actors)
    known = memory.Memory(name or memory.NONE, int(now), young=False)
    after = [remember(actor, xid) for actor in actors]
    after += [shelf.show(place, xid, known, payload) for place, payload in left.items()]
    # The touches again: a Redis that has lost its memory since may have been filled meanwhile.
    shown = {place.subject for place in left}
    after += [shelf.touch(subject, xid) for subject in touched if subject not in shown]
    transaction.on_commit(lambda: batch.afterwards(partial(_after, after)), using=using, robust=True)


def told(xid: int, actor: str) -> bool:
    """Whether this process has told lately of what `actor` wrote in `xid`, which others may have written in too."""
    return (xid, actor) in _told


def _after(commands: list[Command]) -> None:
    try:
        redis.beside(commands)
    except Unavailable:
        memory.forget()
