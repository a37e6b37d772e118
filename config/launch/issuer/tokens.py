"""The tokens, claim by claim as Keycloak writes them."""

import hashlib
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt
from jwt.types import Options

from config.launch.issuer.keys import Keys, base64url
from config.launch.issuer.realm import Client, Realm
from config.launch.issuer.sessions import Session
from config.launch.issuer.users import User

Claims = dict[str, Any]
LOGOUT_LIFESPAN = 120  # seconds
_ACCOUNT_ROLES = ("manage-account", "manage-account-links", "view-profile")


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token is made for. `kind` is the grant's mark in Keycloak's token ids (ac, ro, rt, cc)."""

    user: User
    client: Client
    scope: str
    kind: str
    session: Session | None = None  # none for client credentials
    logged_in: int | None = None  # seconds since 1970, only where a person saw the login page
    nonce: str | None = None


class Tokens:
    def __init__(self, issuer: str, realm: Realm, keys: Keys) -> None:
        self.issuer, self._realm, self._keys = issuer, realm, keys

    def access(self, grant: Grant, lifespan: int) -> str:
        kind = "JWT" if grant.client.attributes.get("access.token.header.type.rfc9068") != "true" else "at+jwt"
        claims = self._common(grant, lifespan) | self._access(grant) | person(grant.user, grant.scope)
        return self._signed(claims, kind)

    def identity(self, grant: Grant, lifespan: int, access_token: str) -> str:
        half = hashlib.sha256(access_token.encode()).digest()[:16]  # OpenID Connect Core section 3.1.3.6
        claims = self._common(grant, lifespan) | {
            "aud": grant.client.client_id,
            "typ": "ID",
            **({"nonce": grant.nonce} if grant.nonce else {}),
            "at_hash": base64url(half),
        }
        return self._signed(claims | person(grant.user, grant.scope), "JWT")

    def refresh(self, grant: Grant, lifespan: int) -> tuple[str, str]:
        """The token and its id. Signed with a secret: clients and the API cannot and need not read it."""
        claims = self._common(grant, lifespan) | {
            "aud": self.issuer,
            "typ": "Refresh",
            "scope": grant.scope,
            **({"nonce": grant.nonce} if grant.nonce else {}),
        }
        header = {"kid": self._keys.refresh_kid}
        return jwt.encode(claims, self._keys.refresh_secret, "HS512", headers=header), claims["jti"]

    def logout(self, client: Client, user_id: str, sid: str) -> str:
        """OpenID Connect Back-Channel Logout 1.0, section 2.4."""
        now = int(time.time())
        claims = {
            "exp": now + LOGOUT_LIFESPAN,
            "iat": now,
            "jti": str(uuid.uuid4()),
            "iss": self.issuer,
            "aud": client.client_id,
            "sub": user_id,
            "typ": "Logout",
            "sid": sid,
            "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
        }
        return self._signed(claims, "logout+jwt")

    def read(self, token: str, kind: str, *, expired: bool = False) -> Claims:
        """The claims of a token that was signed here. Raises jwt.InvalidTokenError."""
        keys = self._keys
        key, algorithm = (
            (keys.refresh_secret, "HS512") if kind == "Refresh" else (keys.signing.private.public_key(), "RS256")
        )
        options: Options = {"verify_aud": False, "verify_exp": not expired, "require": ["exp", "iat", "sub", "iss"]}
        claims: Claims = jwt.decode(token, key, [algorithm], options, issuer=self.issuer)
        if claims.get("typ") != kind:
            raise jwt.InvalidTokenError(f"not a token of the kind {kind}")
        return claims

    def _signed(self, claims: Claims, kind: str) -> str:
        key = self._keys.signing
        return jwt.encode(claims, key.private, "RS256", headers={"typ": kind, "kid": key.kid})

    def _common(self, grant: Grant, lifespan: int) -> Claims:
        now = int(time.time())
        return {
            "exp": now + lifespan,
            "iat": now,
            **({"auth_time": grant.logged_in} if grant.logged_in else {}),
            "jti": str(uuid.uuid4()),
            "iss": self.issuer,
            "sub": grant.user.id,
            "azp": grant.client.client_id,
            **({"sid": grant.session.sid} if grant.session else {}),
            "acr": "1",
        }

    def _access(self, grant: Grant) -> Claims:
        """What only access tokens carry: the audience, the roles, the scope."""
        client = grant.client
        realm_roles, client_roles = self._roles(grant.user)
        audience = dict.fromkeys([*client.audiences, *(name for name in client_roles if name != client.client_id)])
        prefix = "on" if grant.session else "tr"  # an online or a transient session, a regular token, the grant
        claims: Claims = {"jti": f"{prefix}rt{grant.kind}:{uuid.uuid4()}", "typ": "Bearer", "scope": grant.scope}
        if audience:  # one audience is a text, several are a list
            claims["aud"] = list(audience) if len(audience) > 1 else next(iter(audience))
        if realm_roles:  # nobody's token has no `realm_access` at all
            claims["realm_access"] = {"roles": realm_roles}
        if client_roles:
            claims["resource_access"] = {name: {"roles": list(roles)} for name, roles in client_roles.items()}
        if client.web_origins and "web-origins" in client.scopes:
            claims["allowed-origins"] = list(client.web_origins)
        if "service_account" in client.scopes:
            claims |= {"client_id": client.client_id, "clientHost": "127.0.0.1", "clientAddress": "127.0.0.1"}
        return claims

    def _roles(self, user: User) -> tuple[list[str], Mapping[str, Any]]:
        """Effective realm and client roles: the default role brings others along."""
        if self._realm.default_role not in user.realm_roles:
            return list(user.realm_roles), user.client_roles
        realm_roles = [*user.realm_roles, "offline_access", "uma_authorization"]
        return list(dict.fromkeys(realm_roles)), {**user.client_roles, "account": _ACCOUNT_ROLES}


def person(user: User, scope: str) -> Claims:
    """Who it is, for the scopes `profile` and `email`; a name that is not known is absent."""
    claims: Claims = {}
    if "email" in scope.split():
        claims |= {"email_verified": user.email_verified, "email": user.email}
    if "profile" in scope.split():
        claims |= {
            "name": user.name,
            "preferred_username": user.username,
            "given_name": user.first_name,
            "family_name": user.last_name,
        }
    return {name: value for name, value in claims.items() if value is not None and value != ""}
