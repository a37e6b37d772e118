"""The token endpoint: one function per grant."""

import hashlib
import hmac
import time
from collections.abc import Callable, Mapping

import jwt

from config.launch.issuer import clients
from config.launch.issuer.core import Issuer
from config.launch.issuer.keys import base64url
from config.launch.issuer.realm import Client
from config.launch.issuer.tokens import Grant
from config.launch.issuer.web import Json, Refusal, Request, Response, json_response

Form = Mapping[str, str]
_OPTIONAL = {"openid", "email", "profile"}


def token(issuer: Issuer, request: Request) -> Response:
    form = request.form()
    client = clients.authenticate(issuer, request, form)
    if client.bearer_only:
        raise Refusal(400, "unauthorized_client", "Bearer-only not allowed")
    if "grant_type" not in form:
        raise Refusal(400, "invalid_request", "Missing form parameter: grant_type")
    grant = _GRANTS.get(form["grant_type"])
    if grant is None:
        raise Refusal(400, "unsupported_grant_type", "Unsupported grant_type")
    headers = (("Cache-Control", "no-store"), ("Pragma", "no-cache"))
    return json_response(grant(issuer, client, form), headers=headers)


def scope(client: Client, asked: str) -> str:
    """The scopes of the token: `openid` when asked for, and those that the client always has."""
    words = asked.split()
    if not _OPTIONAL.issuperset(words):
        raise Refusal(400, "invalid_scope", f"Invalid scopes: {asked}")
    return " ".join(
        word for word in ("openid", "email", "profile") if word in client.scopes or (word == "openid" and word in words)
    )


def _by_code(issuer: Issuer, client: Client, form: Form) -> Json:
    """The code is burnt by its first use, also by a failed one: whoever has seen it gets one try."""
    code = issuer.codes.take(form.get("code", ""))
    if code is None or code.login.client_id != client.client_id:
        raise Refusal(400, "invalid_grant", "Code not valid")
    login, session = code.login, issuer.sessions.get(code.sid)
    if form.get("redirect_uri") != login.redirect_uri:
        raise Refusal(400, "invalid_grant", "Incorrect redirect_uri")
    _check_verifier(login.challenge, form.get("code_verifier"))
    user = issuer.users.get(session.user_id) if session else None
    if session is None or user is None or not user.enabled:
        raise Refusal(400, "invalid_grant", "Code not valid")
    grant = Grant(user, client, login.scope, "ac", session, code.logged_in, login.nonce)
    return _answer(issuer, grant)


def _check_verifier(challenge: str | None, verifier: str | None) -> None:
    """RFC 7636 section 4.6."""
    if challenge is None:
        return
    if not verifier:
        raise Refusal(400, "invalid_grant", "PKCE code verifier not specified")
    made = base64url(hashlib.sha256(verifier.encode()).digest())
    if not hmac.compare_digest(made, challenge):
        raise Refusal(400, "invalid_grant", "PKCE verification failed: Code mismatch")


def _by_password(issuer: Issuer, client: Client, form: Form) -> Json:
    if not client.direct_grants:
        raise Refusal(400, "unauthorized_client", "Client not allowed for direct access grants")
    user = issuer.users.named(form.get("username", ""))
    if user is None or user.service_client or not issuer.users.has_password(user, form.get("password", "")):
        raise Refusal(400, "invalid_grant", "Invalid user credentials")
    if not user.enabled:
        raise Refusal(400, "invalid_grant", "Account disabled")
    words = scope(client, form.get("scope", ""))
    session = issuer.sessions.start(user.id)
    issuer.events.user("LOGIN", user.id, client.client_id, session.sid)
    return _answer(issuer, Grant(user, client, words, "ro", session))


def _by_credentials(issuer: Issuer, client: Client, form: Form) -> Json:
    if client.secret is None:
        raise Refusal(401, "unauthorized_client", "Public client not allowed to retrieve service account")
    user = issuer.users.of_client(client.client_id)
    if not client.service_account or user is None:
        raise Refusal(401, "unauthorized_client", "Client not enabled to retrieve service account")
    if not user.enabled:
        raise Refusal(401, "unauthorized_client", "User is disabled")
    return _answer(issuer, Grant(user, client, scope(client, form.get("scope", "")), "cc"))


def _by_refresh(issuer: Issuer, client: Client, form: Form) -> Json:
    try:
        claims = issuer.tokens.read(form.get("refresh_token", ""), "Refresh")
    except jwt.ExpiredSignatureError as error:
        raise Refusal(400, "invalid_grant", "Token is not active") from error
    except jwt.InvalidTokenError as error:
        raise Refusal(400, "invalid_grant", "Invalid refresh token") from error
    if claims["azp"] != client.client_id:
        raise Refusal(400, "invalid_grant", "Invalid refresh token. Token client and authorized client don't match")
    user, session = issuer.users.get(claims["sub"]), issuer.sessions.get(claims["sid"])
    if session is None or user is None or client.client_id not in session.clients:
        raise Refusal(400, "invalid_grant", "Session not active")
    if not user.enabled:
        raise Refusal(400, "invalid_grant", "User disabled")
    if claims["iat"] < user.not_before:
        raise Refusal(400, "invalid_grant", "Stale token")
    _check_first_use(issuer, session.sid, client, claims["jti"])
    grant = Grant(user, client, claims["scope"], "rt", session, claims.get("auth_time"), claims.get("nonce"))
    return _answer(issuer, grant)


def _check_first_use(issuer: Issuer, sid: str, client: Client, refresh_id: str) -> None:
    """A second use means that somebody else has the token too: the newest one dies with it."""
    if issuer.realm.rotate_refresh and not issuer.sessions.claim(sid, client.client_id, refresh_id):
        issuer.sessions.leave(sid, client.client_id)
        raise Refusal(400, "invalid_grant", "Maximum allowed refresh token reuse exceeded")


def _answer(issuer: Issuer, grant: Grant) -> Json:
    lifespan = issuer.realm.access_lifespan
    answer: dict[str, Json] = {"token_type": "Bearer", "not-before-policy": grant.user.not_before, "scope": grant.scope}
    if grant.session is None:
        access_token = issuer.tokens.access(grant, lifespan)
        return {"access_token": access_token, "expires_in": lifespan, "refresh_expires_in": 0, **answer}
    sid = grant.session.sid
    idle = min(issuer.realm.idle, grant.session.started + issuer.realm.longest - int(time.time()))
    lifespan = min(lifespan, idle)
    access_token = issuer.tokens.access(grant, lifespan)
    refresh_token, refresh_id = issuer.tokens.refresh(grant, idle)
    issuer.sessions.use(sid, grant.client.client_id, refresh_id)
    if "openid" in grant.scope.split():
        answer["id_token"] = issuer.tokens.identity(grant, lifespan, access_token)
    return {
        "access_token": access_token,
        "expires_in": lifespan,
        "refresh_expires_in": idle,
        "refresh_token": refresh_token,
        "session_state": sid,
        **answer,
    }


_GRANTS: Mapping[str, Callable[[Issuer, Client, Form], Json]] = {
    "authorization_code": _by_code,
    "password": _by_password,
    "client_credentials": _by_credentials,
    "refresh_token": _by_refresh,
}
