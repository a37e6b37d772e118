"""UUIDv7 (RFC 9562 §5.7): 48 bits of milliseconds, then random bits. Ids sort by creation time.

The id is the partition key and the cursor, so times are always derived from ids and never the other way round.
"""

import hashlib
import os
import time
from datetime import UTC, datetime
from uuid import UUID

_VERSION_AND_VARIANT = (0x7 << 76) | (0b10 << 62)
_RANDOM = ((1 << 12) - 1) << 64 | (1 << 62) - 1


def _milliseconds(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def uuid7(at: datetime | None = None) -> UUID:
    """A new id of now, or of `at` (imports and seeds only: a client never chooses a time)."""
    return _uuid7(time.time_ns() // 1_000_000 if at is None else _milliseconds(at), os.urandom(10))


def derived(at: datetime, source: bytes) -> UUID:
    """The id of `at` that `source` has each time (imports only)."""
    return _uuid7(_milliseconds(at), hashlib.sha256(source).digest()[:10])


def _uuid7(milliseconds: int, random: bytes) -> UUID:
    return UUID(int=milliseconds << 80 | _VERSION_AND_VARIANT | int.from_bytes(random, "big") & _RANDOM)


def ascending(count: int) -> list[UUID]:
    """New ids in their order: those of one millisecond are random behind it."""
    return sorted(uuid7() for _ in range(count))


def floor(at: datetime) -> UUID:
    """The lowest value of the millisecond `at`: the bound for `id >= …` and for partitions."""
    return UUID(int=_milliseconds(at) << 80)


def instant(identifier: UUID) -> datetime:
    """The creation time that the id holds, UTC, in milliseconds."""
    return datetime.fromtimestamp((identifier.int >> 80) / 1000, tz=UTC)
