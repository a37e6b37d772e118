"""The realm file (docker/keycloak/taskmill-realm.json): clients, roles and the users to begin with."""

import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# ${NAME} and ${NAME:default}, as Keycloak replaces them at its import; a default may hold colons (a URL does).
_PLACEHOLDER = re.compile(r"\$\{([A-Za-z0-9_]+)(?::([^}]*))?\}")
_BUILT_IN_ROLES = {
    "default-roles-{realm}": "${role_default-roles}",
    "offline_access": "${role_offline-access}",
    "uma_authorization": "${role_uma_authorization}",
}


class RealmError(Exception):
    """The realm file cannot be used; the message says why and names the file."""


@dataclass(frozen=True, slots=True)
class Client:
    client_id: str
    enabled: bool
    secret: str | None  # None: a public client
    bearer_only: bool
    standard_flow: bool
    direct_grants: bool
    service_account: bool
    redirect_uris: tuple[str, ...]
    web_origins: tuple[str, ...]
    attributes: Mapping[str, str]
    audiences: tuple[str, ...]
    scopes: frozenset[str]

    @property
    def logout_url(self) -> str | None:
        return self.attributes.get("backchannel.logout.url")

    @property
    def after_logout(self) -> tuple[str, ...]:
        listed = self.attributes.get("post.logout.redirect.uris", "")
        return self.redirect_uris if listed == "+" else tuple(listed.split("##"))


@dataclass(frozen=True, slots=True)
class Realm:
    name: str
    access_lifespan: int  # seconds, as all of these
    idle: int
    longest: int
    rotate_refresh: bool
    roles: Mapping[str, str] = field(default_factory=dict)  # name -> description
    clients: Mapping[str, Client] = field(default_factory=dict)
    users: tuple[dict[str, Any], ...] = ()  # in Keycloak's representation, each with its id

    @property
    def default_role(self) -> str:
        return f"default-roles-{self.name}"


def stable_id(kind: str, name: str) -> str:
    """The same id at each start, for what the realm file gives none."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"urn:taskmill:issuer:{kind}:{name}"))


def read(path: Path, environment: Mapping[str, str]) -> Realm:
    """The realm in `path`, with the placeholders filled from the environment."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RealmError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise RealmError(f"{path} is not JSON: {error}.") from error
    return _realm(_filled(raw, environment, path))


def _filled(value: Any, environment: Mapping[str, str], path: Path) -> Any:
    """`value` without placeholders. A secret without a value is refused: left as it is, it would be one that
    everybody can read here."""

    def fill(match: re.Match[str]) -> str:
        filled = environment.get(match[1]) or match[2]
        if filled is None:
            raise RealmError(f"{match[1]} is not set, and {path} has no default for it.")
        return filled

    match value:
        case str():
            return _PLACEHOLDER.sub(fill, value)
        case list():
            return [_filled(item, environment, path) for item in value]
        case dict():
            return {name: _filled(item, environment, path) for name, item in value.items()}
    return value


def _realm(raw: dict[str, Any]) -> Realm:
    name = raw["realm"]
    built_in = {role.format(realm=name): text for role, text in _BUILT_IN_ROLES.items()}
    clients = [_client(client) for client in raw["clients"]]
    return Realm(
        name=name,
        access_lifespan=raw.get("accessTokenLifespan", 300),
        idle=raw.get("ssoSessionIdleTimeout", 1800),
        longest=raw.get("ssoSessionMaxLifespan", 36000),
        rotate_refresh=raw.get("revokeRefreshToken", False),
        roles={**{role["name"]: role.get("description", "") for role in raw["roles"]["realm"]}, **built_in},
        clients={client.client_id: client for client in clients},
        users=tuple({"id": stable_id("user", user["username"]), **user} for user in raw["users"]),
    )


def _client(raw: dict[str, Any]) -> Client:
    mappers = [mapper["config"] for mapper in raw.get("protocolMappers", ())]
    return Client(
        client_id=raw["clientId"],
        enabled=raw.get("enabled", True),
        secret=None if raw.get("publicClient") else raw.get("secret"),
        bearer_only=raw.get("bearerOnly", False),
        standard_flow=raw.get("standardFlowEnabled", True),
        direct_grants=raw.get("directAccessGrantsEnabled", False),
        service_account=raw.get("serviceAccountsEnabled", False),
        redirect_uris=tuple(raw.get("redirectUris", ())),
        web_origins=tuple(raw.get("webOrigins", ())),
        attributes=raw.get("attributes", {}),
        audiences=tuple(filter(None, (mapper.get("included.client.audience") for mapper in mappers))),
        scopes=frozenset(raw.get("defaultClientScopes", ("basic", "acr", "roles", "profile", "email", "web-origins"))),
    )
