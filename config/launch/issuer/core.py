"""One issuer: the realm, its keys, and who is logged in."""

import secrets
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from config.launch.issuer import keys
from config.launch.issuer.events import Events
from config.launch.issuer.keys import Keys
from config.launch.issuer.realm import Realm
from config.launch.issuer.sessions import Session, Sessions
from config.launch.issuer.store import Store
from config.launch.issuer.tokens import Tokens
from config.launch.issuer.users import User, Users

T = TypeVar("T")


class Tickets(Generic[T]):
    """Things handed out for a short time under a random name, and taken once: codes and open login pages."""

    def __init__(self, lifespan: float) -> None:
        self._lifespan = lifespan
        self._kept: dict[str, tuple[float, T]] = {}
        self._lock = threading.Lock()

    def give(self, thing: T) -> str:
        name, now = secrets.token_urlsafe(32), time.monotonic()
        with self._lock:
            self._kept = {other: kept for other, kept in self._kept.items() if kept[0] > now}
            self._kept[name] = (now + self._lifespan, thing)
        return name

    def take(self, name: str) -> T | None:
        with self._lock:
            ends, thing = self._kept.pop(name, (0.0, None))
        return thing if ends > time.monotonic() else None


@dataclass(frozen=True, slots=True)
class Login:
    """An authorization request that was checked, on its way to a code."""

    client_id: str
    redirect_uri: str
    scope: str
    challenge: str | None
    nonce: str | None
    state: str | None
    fragment: bool


@dataclass(frozen=True, slots=True)
class Code:
    login: Login
    sid: str
    logged_in: int


@dataclass(frozen=True, slots=True)
class Issuer:
    url: str  # of the realm: the `iss` of its tokens
    realm: Realm
    keys: Keys
    users: Users
    sessions: Sessions
    events: Events
    tokens: Tokens
    codes: Tickets[Code] = field(default_factory=lambda: Tickets(60.0))
    logins: Tickets[Login] = field(default_factory=lambda: Tickets(1800.0))

    @property
    def endpoints(self) -> str:
        return f"{self.url}/protocol/openid-connect"

    def live(self, claims: dict[str, Any]) -> tuple[User, Session | None] | None:
        """The user and session of a token, if both still stand (the token's signature alone does not say so)."""
        user = self.users.get(claims["sub"])
        if user is None or not user.enabled or claims["iat"] < user.not_before:
            return None
        if "sid" not in claims:
            return user, None
        session = self.sessions.get(claims["sid"])
        return (user, session) if session and claims["azp"] in session.clients else None


def build(base_url: str, realm: Realm, state: Path) -> Issuer:
    """The issuer whose realm is at `base_url`/realms/NAME, with what it remembers from `state`."""
    store, url = Store(state), f"{base_url}/realms/{realm.name}"
    found = keys.load(store, realm.name)
    return Issuer(
        url=url,
        realm=realm,
        keys=found,
        users=Users(realm, store),
        sessions=Sessions(realm, store),
        events=Events(store, realm.name),
        tokens=Tokens(url, realm, found),
    )
