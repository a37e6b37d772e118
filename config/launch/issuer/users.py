"""The realm's users: those of the realm file, with the changes of the state file laid over them."""

import hashlib
import hmac
import secrets
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from config.launch.issuer.realm import Realm
from config.launch.issuer.store import Store

Representation = dict[str, Any]
_SCRYPT = {"n": 2**12, "r": 8, "p": 1}


@dataclass(frozen=True, slots=True)
class User:
    """One user. `realm_roles` are the direct ones."""

    id: str
    username: str
    enabled: bool
    email: str | None
    email_verified: bool
    first_name: str | None
    last_name: str | None
    realm_roles: tuple[str, ...]
    client_roles: Mapping[str, Sequence[str]]
    service_client: str | None
    not_before: int  # tokens and sessions of before this second are over

    @property
    def name(self) -> str:
        return " ".join(filter(None, (self.first_name, self.last_name)))


class Users:
    def __init__(self, realm: Realm, store: Store) -> None:
        self._realm, self._store = realm, store
        self._written = {user["id"]: user for user in realm.users}

    def all(self) -> list[User]:
        with self._store.reading() as data:
            changed = data["users"]
            ids = dict.fromkeys([*self._written, *changed])
            found = [self._user(user_id, changed.get(user_id, {})) for user_id in ids]
        return sorted(filter(None, found), key=lambda user: user.username)

    def get(self, user_id: str) -> User | None:
        return next((user for user in self.all() if user.id == user_id), None)

    def named(self, username: str) -> User | None:
        return next((user for user in self.all() if user.username == username.lower()), None)

    def of_client(self, client_id: str) -> User | None:
        return next((user for user in self.all() if user.service_client == client_id), None)

    def has_password(self, user: User, password: str) -> bool:
        with self._store.reading() as data:
            kept = data["users"].get(user.id, {}).get("password")
        if kept:
            return hmac.compare_digest(_hashed(password, kept["salt"])["hash"], kept["hash"])
        credentials = self._written.get(user.id, {}).get("credentials", ())
        return any(hmac.compare_digest(str(item["value"]).encode(), password.encode()) for item in credentials)

    def change(self, user_id: str, **changes: Any) -> None:
        """Set fields of the representation; the others are kept, as by Keycloak's PUT."""
        with self._store.changing() as data:
            data["users"].setdefault(user_id, {}).update(changes)

    def set_password(self, user_id: str, password: str) -> None:
        self.change(user_id, password=_hashed(password, secrets.token_hex(16)))

    def end_tokens(self, user_id: str) -> None:
        """What was issued up to now is over."""
        self.change(user_id, notBefore=int(time.time()))

    def create(self, representation: Representation) -> str:
        """A user made at run time also gets the default role, unlike those of an imported file."""
        user_id = str(uuid.uuid4())
        self.change(user_id, **{**representation, "realmRoles": [self._realm.default_role]})
        return user_id

    def delete(self, user_id: str) -> None:
        with self._store.changing() as data:
            data["users"][user_id] = {"deleted": True}

    def _user(self, user_id: str, changes: Representation) -> User | None:
        if changes.get("deleted"):
            return None
        whole = {**self._written.get(user_id, {}), **changes}
        if "username" not in whole:  # changed before, and since removed from the realm file
            return None
        return User(
            id=user_id,
            username=whole["username"].lower(),
            enabled=whole.get("enabled", True),
            email=whole.get("email"),
            email_verified=whole.get("emailVerified", False),
            first_name=whole.get("firstName"),
            last_name=whole.get("lastName"),
            realm_roles=tuple(whole.get("realmRoles", ())),
            client_roles=whole.get("clientRoles", {}),
            service_client=whole.get("serviceAccountClientId"),
            not_before=whole.get("notBefore", 0),
        )


def _hashed(password: str, salt: str) -> dict[str, str]:
    return {"salt": salt, "hash": hashlib.scrypt(password.encode(), salt=salt.encode(), **_SCRYPT).hex()}
