"""What is kept of reads, until a write touches it.

Each subject (a task; a user, for his lists) has one hash: its entries, and `t`, the transactions that touched it last.
A write touches *before* it commits: that takes the entries away. From then on only an entry is kept that was read when
those transactions had ended, so that what a write has replaced never comes back, whoever brings it, however late, from
whichever replica. See docs/decisions/0011-cache-by-transaction.md.

An entry is its format (1 character), end (13 digits, milliseconds of Redis's clock), memory (16), what its reader had
seen (a line), and then the payload.
"""

import itertools
import os
import random
import time
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from typing import Any, Generic, NamedTuple, TypeVar

from django.conf import settings
from prometheus_client import Counter

from config import batch
from config.cache import redis
from config.cache.commands import Argument, Command, Script, lua
from config.cache.keys import key
from config.cache.memory import Memory
from config.cache.redis import Unavailable
from config.data import snapshots

T = TypeVar("T")

READS = Counter("taskmill_cache_reads", "Reads that look into the cache first", ["space", "result"])

_series = lru_cache(READS.labels)  # which takes a lock and builds a key each time

FORMAT = b"1"
MOST_BYTES = 256_000  # of a payload: what is larger costs the others' room
ITSELF = "itself"  # the field of a subject's own representation
LEASE = 1_000  # milliseconds for which one reader may let the others wait for what he reads
LATE = 60_000  # milliseconds after its look that a fill is refused; a touch is remembered much longer
TOUCHED = 600_000  # milliseconds: also longer than entries live, so that a full Redis lets these go last
LEADS, WAITS = 1, 2
_HEAD = 30
_MEMORY = slice(14, _HEAD)
longest_wait = LEASE / 1000  # seconds for what another one reads; shorter where waiting holds up others
_POLLS = (0.001, 0.002, 0.004, 0.008, 0.016)  # seconds, the last again and again

_LUA = lua("clock") + lua("shelf")
_LOOK = Script(_LUA + "return look(KEYS[1], KEYS[2], unpack(ARGV))")
_FILL = Script(_LUA + "return fill(KEYS[1], KEYS[2], unpack(ARGV))")
_SHOW = Script(
    _LUA
    + """
touch(KEYS[1], ARGV[1], ARGV[2])  -- again: a Redis that has lost its memory since may have been filled meanwhile
return fill(KEYS[1], KEYS[2], unpack(ARGV, 3))
"""
)
_TOUCH = Script(_LUA + "return touch(KEYS[1], unpack(ARGV))")

_PROCESS = os.urandom(6).hex()
_leases = itertools.count()


class Place(NamedTuple):
    subject: str
    field: str

    @property
    def shelf(self) -> str:
        return key(self.subject, "kept")

    @property
    def lease(self) -> str:
        return key(self.subject, f"lease:{self.field}")


class Read(NamedTuple, Generic[T]):
    """What the database said, and how much it had `seen` (config.data.snapshots); None: it is not to be kept."""

    value: T
    seen: str | None = None
    payload: bytes = b""


Decode = Callable[[bytes], T | None]
Load = Callable[[], Read[T]]


class Look:
    """One request's look at a place, sent along with what it asks Redis anyway."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.after: int | None = None  # the reader demands to see this transaction
        self._lease = f"{_PROCESS}.{os.getpid()}.{next(_leases)}"

    def command(self, lease: str | None = None) -> Command:
        holder = self._lease if lease is None else lease
        return _LOOK.on([self.place.shelf, self.place.lease], [self.place.field, holder, LEASE])

    def take(self, known: Memory, answer: list[Any]) -> None:
        self._memory = known
        self._entry, self._leads, self._waits = answer[0], answer[1] == LEADS, answer[1] == WAITS

    def hit(self, space: str, decode: Decode[T]) -> T | None:
        """What was found, if it may be shown; None has not been counted yet: `read` goes on."""
        kept = self._kept(decode)
        if kept is not None:
            _series(space, "hit").inc()
        return kept

    def read(self, space: str, decode: Decode[T], load: Load[T]) -> T:
        kept = self.hit(space, decode)
        if kept is not None:
            return kept
        kept = self._wait(decode) if self._waits else None
        _series(space, "miss" if kept is None else "waited").inc()
        return self._fill(load) if kept is None else kept

    def _kept(self, decode: Decode[T]) -> T | None:
        entry = self._entry
        if entry is None or entry[:1] != FORMAT or entry[_MEMORY] != self._memory.name:
            return None
        seen, _, payload = entry[_HEAD:].partition(b"\n")
        try:
            return decode(payload) if self.after is None or snapshots.had_seen(seen.decode(), self.after) else None
        except (ValueError, TypeError):
            return None  # junk

    def _wait(self, decode: Decode[T]) -> T | None:
        """None as soon as nobody reads for us (any more), and when it takes too long."""
        deadline = time.monotonic() + longest_wait
        for pause in itertools.chain(_POLLS, itertools.repeat(_POLLS[-1])):
            batch.pause(pause)
            try:
                [[self._entry, state]] = redis.beside([self.command(lease="")])
            except Unavailable:
                return None
            kept = self._kept(decode)
            if kept is not None or state != WAITS or time.monotonic() > deadline:
                return kept
        return None

    def _fill(self, load: Load[T]) -> T:
        seen, payload = "", None
        try:
            read = load()
            if read.seen is not None and len(read.payload) <= MOST_BYTES:
                seen, payload = read.seen, read.payload
            return read.value
        finally:
            if payload is not None or self._leads:  # nobody must wait for what will not come
                arguments = _fill(self._lease, self.place, self._memory, seen, payload)
                with suppress(Unavailable):
                    redis.beside([_FILL.on([self.place.shelf, self.place.lease], arguments)])


def _fill(lease: str, place: Place, known: Memory, seen: str, payload: bytes | None) -> list[Argument]:
    """The arguments of `fill` in shelf.lua; without a payload it only ends the lease."""
    length = int(settings.CACHE_TTL * 1000 * random.uniform(0.5, 1))  # noqa: S311 (so that not all end at once)
    tail = b"" if payload is None else known.name + seen.encode() + b"\n" + payload
    return [place.field, lease, known.now + LATE, length, FORMAT, seen, tail]


def touch(subject: str, xid: int) -> Command:
    return _TOUCH.on([key(subject, "kept")], [xid, TOUCHED])


def show(place: Place, xid: int, known: Memory, payload: bytes) -> Command:
    """What a write leaves: it holds all that was written at the place up to its own transaction."""
    rest = _fill("", place, known, str(xid + 1), payload)
    return _SHOW.on([place.shelf, place.lease], [xid, TOUCHED, *rest])


def read(look: Look | None, space: str, decode: Decode[T], load: Load[T]) -> T:
    """What is kept, if `decode` knows it as what was asked for; else what `load` reads, kept for the next.

    Of many readers that miss at once one reads and the others wait for it, for a bounded time.
    """
    return load().value if look is None else look.read(space, decode, load)
