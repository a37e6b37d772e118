"""What may be asked about a token (userinfo, introspection) or about the issuer, and the revocation of tokens."""

import contextlib

import jwt

from config.launch.issuer import clients
from config.launch.issuer.core import Issuer
from config.launch.issuer.tokens import Claims, person
from config.launch.issuer.web import Json, Refusal, Request, Response, json_response

_PUBLIC = (("Cache-Control", "no-cache"), ("Access-Control-Allow-Origin", "*"))


def discovery(issuer: Issuer, _: Request) -> Response:
    """OpenID Connect Discovery 1.0."""
    base = issuer.endpoints
    return json_response(
        {
            "issuer": issuer.url,
            "authorization_endpoint": f"{base}/auth",
            "token_endpoint": f"{base}/token",
            "introspection_endpoint": f"{base}/token/introspect",
            "userinfo_endpoint": f"{base}/userinfo",
            "end_session_endpoint": f"{base}/logout",
            "revocation_endpoint": f"{base}/revoke",
            "jwks_uri": f"{base}/certs",
            "grant_types_supported": ["authorization_code", "client_credentials", "password", "refresh_token"],
            "response_types_supported": ["code"],
            "response_modes_supported": ["query", "fragment"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "scopes_supported": ["openid", "email", "profile"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
            "backchannel_logout_supported": True,
            "backchannel_logout_session_supported": True,
        },
        headers=_PUBLIC,
    )


def certs(issuer: Issuer, _: Request) -> Response:
    return json_response(issuer.keys.jwks(), headers=_PUBLIC)


def about(issuer: Issuer, _: Request) -> Response:
    return json_response(
        {
            "realm": issuer.realm.name,
            "public_key": issuer.keys.signing.public,
            "token-service": issuer.endpoints,
            "account-service": f"{issuer.url}/account",
            "tokens-not-before": 0,
        },
        headers=_PUBLIC,
    )


def userinfo(issuer: Issuer, request: Request) -> Response:
    with contextlib.suppress(jwt.InvalidTokenError):
        claims = issuer.tokens.read(request.bearer(), "Bearer")
        live = issuer.live(claims)
        if live and "openid" not in claims["scope"].split():
            raise Refusal(403, "insufficient_scope", "Missing openid scope")
        if live:
            return json_response({"sub": live[0].id, **person(live[0], claims["scope"])})
    raise Refusal(401, "invalid_token", "Token verification failed")


def introspect(issuer: Issuer, request: Request) -> Response:
    """RFC 7662. Only a client that the token is for gets to see it; any other hears that it is not active."""
    form = request.form()
    client = clients.authenticate(issuer, request, form)
    if client.secret is None:
        raise Refusal(403, "invalid_request", "Client not allowed.")
    with contextlib.suppress(jwt.InvalidTokenError):
        claims = issuer.tokens.read(form.get("token", ""), "Bearer")
        live = issuer.live(claims)
        if live and client.client_id in _audience(claims):
            return json_response(_described(claims, live[0].realm_roles))
    return json_response({"active": False})


def _audience(claims: Claims) -> list[str]:
    """One audience is a text in the token, several are a list."""
    audience = claims.get("aud", [])
    return [audience] if isinstance(audience, str) else audience


def _described(claims: Claims, roles: tuple[str, ...]) -> Json:
    """With the roles of now, which may differ from those of the token."""
    shown = {name: value for name, value in claims.items() if name != "realm_access"}
    now = {"realm_access": {"roles": list(roles)}} if roles else {}
    return {**shown, **now, "client_id": claims["azp"], "username": claims.get("preferred_username"), "active": True}


def revoke(issuer: Issuer, request: Request) -> Response:
    """RFC 7009: the client's part of the session ends, without a back-channel call (as on Keycloak)."""
    form = request.form()
    client = clients.authenticate(issuer, request, form)
    for kind in ("Refresh", "Bearer"):
        with contextlib.suppress(jwt.InvalidTokenError):
            claims = issuer.tokens.read(form.get("token", ""), kind)
            if claims["azp"] == client.client_id and "sid" in claims:
                issuer.sessions.leave(claims["sid"], client.client_id)
                issuer.events.user("REVOKE_GRANT", claims["sub"], client.client_id, claims["sid"])
    return Response(200)
