"""Times as they are stored and told: UTC, whole milliseconds (the precision of an id), RFC 3339 with Z."""

from datetime import UTC, datetime


def now() -> datetime:
    return whole_milliseconds(datetime.now(UTC))


def whole_milliseconds(at: datetime) -> datetime:
    """Without what no stored time has; downwards."""
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def rfc3339(at: datetime) -> str:
    """Of a time in UTC."""
    return at.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
