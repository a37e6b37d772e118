"""Since when Redis remembers without a gap.

What it does not know, it may have forgotten: after a restart, a FLUSHALL, or a write that could not tell it anything.
So one key says when its memory began. Entries of an earlier memory are misses; and while a memory is so young that
a replica may still be behind what was forgotten, everybody reads the primary. To forget on purpose: delete the key.
"""

from typing import NamedTuple

from config.cache import keys, redis
from config.cache.commands import Command, Script

KEY = keys.MEMORY
YOUNG = 15_000  # milliseconds; longer than any replica that is read may be behind (config.data.replicas)
SIZE = 16  # characters
NONE = b"0" * SIZE  # no entry of it is ever served

ASK = Command(("GET", KEY))
# Microseconds of Redis's own clock: the name of a memory, and its age.
_BEGIN = Script(
    """
local time = redis.call('TIME')
redis.call('SET', KEYS[1], string.format('%010d%06d', tonumber(time[1]), tonumber(time[2])), 'NX')
return redis.call('GET', KEYS[1])
"""
)


class Memory(NamedTuple):
    name: bytes
    now: int  # milliseconds of Redis's clock
    young: bool


def of(answer: bytes | None, now: int) -> Memory:
    """The memory that `ASK` found; begins one where there is none. Raises redis.Unavailable."""
    name = answer if answer is not None else redis.run(_BEGIN.on([KEY], []))
    if len(name) != SIZE or not name.isdigit():
        forget()  # junk: nobody knows since when
        return Memory(NONE, now, young=True)
    return Memory(name, now, young=now - int(name) // 1000 < YOUNG)


def forget() -> None:
    """Makes Redis begin anew; it is not believed before it has heard this."""
    redis.owe("DEL", KEY)
