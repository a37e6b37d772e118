"""Tokens that were verified before, remembered in the process until they expire.

Keyed by the token's SHA-256: nothing here could be used as a token. A token is remembered together with its
key id, so that it falls with its key when Keycloak withdraws that.
"""

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from hashlib import sha256

from accounts import keys, tokens
from accounts.access import Access
from accounts.principal import Principal, of

MOST = 20_000  # tokens, about 1.5 kB each


@dataclass(slots=True)
class _Entry:
    claims: tokens.Claims
    kid: str
    access: Access  # what `principal` was made from
    principal: Principal


_entries: OrderedDict[bytes, _Entry] = OrderedDict()
_lock = threading.Lock()


def principal(token: str, access: Access) -> Principal:
    """Who calls with this token. Raises tokens.InvalidToken or keys.NoKeys."""
    remembered = known(token, access)
    if remembered is not None:
        return remembered
    claims, kid = tokens.access_token(token)
    entry = _Entry(claims, kid, access, of(claims, access.matrix))
    _remember(_digest(token), entry)
    return entry.principal


def known(token: str, access: Access) -> Principal | None:
    """Who calls with this token, if it was verified before."""
    entry = _entries.get(_digest(token))
    if entry is None or not _still_good(entry):
        return None
    if entry.access is not access:
        entry.principal, entry.access = of(entry.claims, access.matrix), access
    return entry.principal


def forget() -> None:
    _entries.clear()


def _digest(token: str) -> bytes:
    return sha256(token.encode("utf-8", "replace")).digest()


def _still_good(entry: _Entry) -> bool:
    listed = keys.KEYS.get()
    return listed is not None and entry.kid in listed and time.time() < entry.claims["exp"] + tokens.LEEWAY


def _remember(digest: bytes, entry: _Entry) -> None:
    with _lock:
        _entries[digest] = entry
        if len(_entries) > MOST:
            _entries.popitem(last=False)
