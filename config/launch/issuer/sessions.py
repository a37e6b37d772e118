"""Single sign-on sessions: one login of one user, used by one or more clients."""

import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from config.launch.issuer.keys import base64url
from config.launch.issuer.realm import Realm
from config.launch.issuer.store import Store

Kept = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Session:
    sid: str
    user_id: str
    started: int  # seconds since 1970
    used: int
    clients: tuple[str, ...]


class Sessions:
    def __init__(self, realm: Realm, store: Store) -> None:
        self._realm, self._store = realm, store

    def start(self, user_id: str, cookie: str | None = None) -> Session:
        """A new session. `cookie` is the secret by which the browser proves it at the next client's login."""
        now, sid = int(time.time()), base64url(secrets.token_bytes(18))  # 24 characters, as Keycloak's
        with self._store.changing() as data:
            data["sessions"] = {other: kept for other, kept in data["sessions"].items() if self._left(kept) > 0}
            data["sessions"][sid] = {
                "user": user_id, "started": now, "used": now, "cookie": cookie, "clients": {}
            }  # fmt: skip
        return Session(sid, user_id, now, now, ())

    def get(self, sid: str) -> Session | None:
        """The session, unless it has ended."""
        with self._store.reading() as data:
            kept = data["sessions"].get(sid)
            return _session(sid, kept) if kept and self._left(kept) > 0 else None

    def of_cookie(self, cookie: str) -> Session | None:
        with self._store.reading() as data:
            found = [sid for sid, kept in data["sessions"].items() if cookie and kept["cookie"] == cookie]
        return self.get(found[0]) if found else None

    def of_user(self, user_id: str) -> list[Session]:
        with self._store.reading() as data:
            sids = [sid for sid, kept in data["sessions"].items() if kept["user"] == user_id]
        return list(filter(None, map(self.get, sids)))

    def seconds_left(self, sid: str) -> int:
        """Until the session is over, unless it is used again."""
        with self._store.reading() as data:
            return self._left(data["sessions"][sid])

    def use(self, sid: str, client_id: str, refresh_id: str) -> None:
        """Note a use by a client, whose only good refresh token is now this one."""
        with self._store.changing() as data:
            kept = data["sessions"][sid]
            kept["used"] = int(time.time())
            kept["clients"][client_id] = refresh_id

    def claim(self, sid: str, client_id: str, refresh_id: str) -> bool:
        """Take a refresh token, at most once: of two callers that bring it at the same time one gets False."""
        with self._store.changing() as data:
            clients = data["sessions"].get(sid, {}).get("clients", {})
            if clients.get(client_id) != refresh_id:
                return False
            clients[client_id] = None
        return True

    def leave(self, sid: str, client_id: str) -> None:
        """End the session for one client (its refresh token was used twice)."""
        with self._store.changing() as data:
            clients = data["sessions"].get(sid, {}).get("clients", {})
            clients.pop(client_id, None)

    def end(self, sids: Iterable[str]) -> None:
        with self._store.changing() as data:
            for sid in sids:
                data["sessions"].pop(sid, None)

    def _left(self, kept: Kept) -> int:
        ends = min(kept["used"] + self._realm.idle, kept["started"] + self._realm.longest)
        return int(ends - time.time())


def _session(sid: str, kept: Kept) -> Session:
    return Session(sid, kept["user"], kept["started"], kept["used"], tuple(kept["clients"]))
