"""Tokens of Keycloak, verified here: no call to Keycloak unless a key is unknown.

Rules: RFC 8725 (fixed algorithms, explicit types, issuer and audience), RFC 9068 (access tokens), and what
Keycloak puts into its tokens beyond them (`typ`, `azp`). Nothing that a header says chooses a key or an
address except the key id, which is looked up among Keycloak's own keys.
"""

import re
import time
from typing import Any

import jwt
from django.conf import settings

from accounts import keys

LONGEST = 8192  # bytes of a token; Keycloak's have about 1,000 to 1,500
LEEWAY = 10  # seconds by which clocks may differ

_KEY_ID = re.compile(r"^[A-Za-z0-9_.=:-]{1,128}$")
_COMPACT = re.compile(r"^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*$")
_FORBIDDEN_HEADERS = frozenset({"jwk", "jku", "x5u", "x5c", "crit"})
_ACCESS_TYPES = frozenset({"at+jwt", "application/at+jwt"})
_LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"

Claims = dict[str, Any]


class InvalidToken(Exception):
    """Why a token is refused. The text goes to the caller: it never holds a part of the token."""


def access_token(token: str) -> tuple[Claims, str]:
    """The claims of a valid access token for this API, and its key id. Raises InvalidToken or keys.NoKeys."""
    header, claims = _verified(token, [settings.OIDC_AUDIENCE])
    if settings.OIDC_STRICT_TOKEN_TYPE and _type(header) not in _ACCESS_TYPES:
        raise InvalidToken("its type is not at+jwt")
    _require(claims.get("typ") == "Bearer", "it is not an access token")
    _require(claims.get("azp") in settings.OIDC_ALLOWED_CLIENTS, "its client is not known here")
    _require(isinstance(claims.get("sid"), str | None), "its session is malformed")
    return claims, header["kid"]


def id_token(token: str, nonce: str | None) -> Claims:
    """The claims of the ID token of an admin login (OpenID Connect Core §3.1.3.7)."""
    client = settings.OIDC_RP_CLIENT_ID
    _, claims = _verified(token, [client])
    _require(claims.get("typ", "ID") == "ID", "it is not an ID token")
    several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
    _require(claims.get("azp", None if several else client) == client, "it belongs to another client")
    _require(bool(nonce) and claims.get("nonce") == nonce, "it does not answer this login")
    return claims


def logout_token(token: str) -> Claims:
    """The claims of a back-channel logout token (OpenID Connect Back-Channel Logout §2.6)."""
    header, claims = _verified(token, settings.OIDC_ALLOWED_CLIENTS)
    _require(_type(header) in {"logout+jwt", "jwt", ""}, "it is not a logout token")
    _require(claims.get("typ", "Logout") == "Logout", "it is not a logout token")
    events = claims.get("events")
    _require(isinstance(events, dict) and isinstance(events.get(_LOGOUT_EVENT), dict), "no logout event")
    _require("nonce" not in claims, "a logout token has no nonce")
    _require(isinstance(claims.get("jti"), str), "it has no id")
    _require(isinstance(claims.get("sid"), str | None), "its session is malformed")
    return claims


def _verified(token: str, audience: list[str]) -> tuple[dict[str, Any], Claims]:
    """Signature, issuer, audience, subject and times: what every kind of token must have right."""
    _require(isinstance(token, str) and len(token) <= LONGEST and _COMPACT.match(token) is not None, "it is malformed")
    try:
        header = jwt.get_unverified_header(token)
        key = _key(header)
        claims = jwt.decode(
            token,
            key,
            algorithms=keys.ALGORITHMS,
            audience=audience,
            issuer=settings.OIDC_ISSUER,
            leeway=LEEWAY,
            options={
                "require": ["exp", "iat", "sub", "iss", "aud"],
                "enforce_minimum_key_length": True,
            },
        )
    except keys.UnknownKey as error:
        raise InvalidToken("its key is not known") from error
    except jwt.PyJWTError as error:
        raise InvalidToken(_reason(error)) from error
    _check_times(claims)
    _require(0 < len(claims["sub"]) <= 255, "its subject is malformed")
    return header, claims


def _key(header: dict[str, Any]) -> jwt.PyJWK:
    kid = header.get("kid")
    _require(isinstance(kid, str) and _KEY_ID.match(kid) is not None, "its key id is missing or malformed")
    _require(_FORBIDDEN_HEADERS.isdisjoint(header), "it brings its own key")
    _require(header.get("alg") in keys.ALGORITHMS, "its algorithm is not accepted")
    return keys.key(str(kid))


def _check_times(claims: Claims) -> None:
    """Stricter than the library, which takes numbers in texts and any distance.

    A token may not outlive a denial, or a denied one would work again in the end.
    """
    times = [claims[name] for name in ("exp", "iat", "nbf") if name in claims]
    _require(all(type(value) is int for value in times), "its times are not whole numbers")
    _require(claims["exp"] - claims["iat"] <= settings.OIDC_MAX_TOKEN_LIFETIME, "it lives too long")
    _require(claims["exp"] - time.time() <= settings.OIDC_MAX_TOKEN_LIFETIME + LEEWAY, "it lives too long")


def _type(header: dict[str, Any]) -> str:
    return str(header.get("typ", "")).lower()


_REASONS: dict[type[jwt.PyJWTError], str] = {
    jwt.ExpiredSignatureError: "it has expired",
    jwt.ImmatureSignatureError: "it is not valid yet",
    jwt.InvalidAudienceError: "it is meant for another audience",
    jwt.InvalidIssuerError: "it is from another issuer",
    jwt.InvalidSignatureError: "its signature is wrong",
}


def _reason(error: jwt.PyJWTError) -> str:
    if isinstance(error, jwt.MissingRequiredClaimError):
        return f"it has no {error.claim}"
    return _REASONS.get(type(error), "it is malformed")


def _require(condition: bool, reason: str) -> None:
    if not condition:
        raise InvalidToken(reason)
