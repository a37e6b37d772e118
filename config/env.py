"""Typed readers of the environment. A wrong value raises ImproperlyConfigured with one line that names it.

Nothing here has a secret as a default: a missing secret stops the start (see `secret`).
"""

import ipaddress
import math
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar
from urllib.parse import SplitResult, urlsplit

from django.core.exceptions import ImproperlyConfigured

from config.cache import sentinel

T = TypeVar("T")
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_TRUE, _FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off"}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)?", re.ASCII)
_SECONDS = {"ms": 0.001, "s": 1.0, None: 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_RATE = re.compile(r"(\d+)/(\d*)([smhd])", re.ASCII)
_ORIGIN = re.compile(r"https?://[a-z0-9.\-\[\]:]+", re.ASCII)
# Values that stand in this repository or in half of the tutorials: they protect nothing.
_KNOWN_SECRETS = {"secret", "changeme", "change-me", "password", "insecure", "admin", "test", "demo"}
_PLACEHOLDER = re.compile(r"^\$\{.*\}$|^<.*>$|^django-insecure-")


class Rate(NamedTuple):
    """A quota of `limit` calls in any window of `window` seconds."""

    limit: int
    window: int


def _raw(name: str) -> str | None:
    """NAME, or the content of the file that NAME_FILE names (for mounted secrets)."""
    value, path = os.environ.get(name), os.environ.get(f"{name}_FILE")
    if value and path:
        raise ImproperlyConfigured(f"{name} and {name}_FILE are both set: keep one of them.")
    if path:
        try:
            return Path(path).read_text(encoding="utf-8").strip() or None
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise ImproperlyConfigured(f"{name}_FILE={path} cannot be read: {reason}.") from error
    return value or None


def _read(name: str, default: T | None, convert: Callable[[str], T], expected: str) -> T:
    raw = _raw(name)
    if raw is None:
        if default is None:
            raise ImproperlyConfigured(f"{name} is not set: expected {expected}.")
        return default
    try:
        return convert(raw)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}={_shown(raw)} is wrong: expected {expected}.") from error


def _shown(raw: str) -> str:
    """The value for a message that goes into logs: short, and without the password of a URL."""
    return repr(re.sub(r"//.*@", "//***@", raw, flags=re.DOTALL)[:200])


def text(name: str, default: str | None = None) -> str:
    return _read(name, default, str, "a text")


def secret(name: str, *, least: int = 16) -> str:
    """A secret of at least `least` characters that does not stand in the repository."""
    value = _raw(name)
    if value is None:
        raise ImproperlyConfigured(f"{name} is not set: give it a random value, or a file by {name}_FILE.")
    if len(value) < least or value.lower() in _KNOWN_SECRETS or _PLACEHOLDER.match(value):
        raise ImproperlyConfigured(
            f"{name} is too short (under {least} characters) or a published example: make a random one, "
            f'for example by: python3 -c "import secrets; print(secrets.token_urlsafe(48))"'
        )
    return value


def boolean(name: str, default: bool) -> bool:
    def convert(raw: str) -> bool:
        if raw.lower() not in _TRUE | _FALSE:
            raise ValueError
        return raw.lower() in _TRUE

    return _read(name, default, convert, "1 or 0")


def integer(name: str, default: int | None = None, *, least: int = 0, most: int = 2**31) -> int:
    def convert(raw: str) -> int:
        value = int(raw)
        if not least <= value <= most:
            raise ValueError
        return value

    return _read(name, default, convert, f"a whole number from {least} to {most}")


def duration(name: str, default: float | None = None, *, most: float = math.inf) -> float:
    """Seconds, from texts like 250ms, 30s, 5m, 24h, 30d; not more than `most`."""

    def convert(raw: str) -> float:
        match = _DURATION.fullmatch(raw)
        seconds = math.nan if match is None else float(match[1]) * _SECONDS[match[2]]
        if not seconds <= most:
            raise ValueError
        return seconds

    bound = "" if most == math.inf else f", at most {most:g}s"
    return _read(name, default, convert, f"a duration such as 250ms, 30s, 5m, 24h or 30d{bound}")


def rate(name: str, default: str) -> Rate:
    def convert(raw: str) -> Rate:
        match = _RATE.fullmatch(raw)
        if match is None or int(match[1]) < 1 or int(match[2] or 1) < 1:
            raise ValueError
        return Rate(int(match[1]), int(match[2] or 1) * int(_SECONDS[match[3]]))

    return _read(name, convert(default), convert, "a rate such as 600/m or 100/10s")


def url(name: str, default: str | None = None, *, schemes: tuple[str, ...] = ("http", "https")) -> str:
    return _read(name, default, lambda raw: _url(raw, schemes), f"a URL that starts with {_any_of(schemes)}")


def cache_url(name: str) -> str:
    """Of one Redis, or of the Sentinels that know where it is: their hosts are a comma list."""

    def convert(raw: str) -> str:
        if not raw.startswith(sentinel.SCHEME):
            return _url(raw, ("redis", "rediss", "unix"))
        sentinel.parse(raw)
        return raw.rstrip("/")

    expected = f"a URL that starts with {_any_of(('redis', 'rediss', 'unix'))}, or {sentinel.EXAMPLE}"
    return _read(name, None, convert, expected)


def _url(raw: str, schemes: tuple[str, ...]) -> str:
    parts = urlsplit(raw)
    if parts.scheme not in schemes or not (parts.netloc or parts.path) or parts.port == 0:
        raise ValueError  # as `port` itself does beyond 65535
    return raw.rstrip("/")


def _any_of(schemes: tuple[str, ...]) -> str:
    return " or ".join(f"{scheme}://" for scheme in schemes)


def database_url(name: str, raw: str) -> SplitResult:
    """The parts of postgresql://user:password@host:port/name, which must name a database."""
    try:
        parts = urlsplit(raw)
        right = parts.scheme in {"postgres", "postgresql"} and parts.path.strip("/") and parts.port != 0
    except ValueError:
        right = False
    if not right:
        raise ImproperlyConfigured(
            f"{name}={_shown(raw)} is wrong: expected a URL such as postgresql://user:password@host:port/name."
        )
    return parts


def words(name: str, default: str | None = None) -> list[str]:
    """A comma list without empty items."""
    return [word.strip() for word in _read(name, default, str, "a comma list").split(",") if word.strip()]


def cidrs(name: str, default: str = "") -> list[Network]:
    def convert(raw: str) -> list[Network]:
        return [ipaddress.ip_network(word.strip()) for word in raw.split(",") if word.strip()]

    return _read(name, convert(default), convert, "a comma list of networks such as 10.0.0.0/8,::1/128")


def origins(name: str) -> frozenset[str]:
    """A comma list of web origins (RFC 6454): scheme, host and port as browsers send them, nothing else."""

    def convert(raw: str) -> frozenset[str]:
        found = frozenset(word.strip() for word in raw.split(",") if word.strip())
        if not all(_ORIGIN.fullmatch(origin) for origin in found):
            raise ValueError
        return found

    return _read(name, frozenset(), convert, "a comma list of origins such as https://tasks.example.org")


def address(name: str, default: str = "") -> str:
    """host:port, or empty where the default is empty."""

    def convert(raw: str) -> str:
        host, _, port = raw.rpartition(":")
        if not host or not 0 < int(port) < 2**16:
            raise ValueError
        return raw

    return _read(name, default, convert, "host:port")
