"""The authorization endpoint and the login page: authorization code with PKCE (RFC 6749, RFC 7636)."""

import re
import secrets
from collections.abc import Mapping
from http.cookies import SimpleCookie

from config.launch.issuer import clients, grants, pages
from config.launch.issuer.core import Code, Issuer, Login
from config.launch.issuer.realm import Client
from config.launch.issuer.sessions import Session
from config.launch.issuer.web import PageRefusal, Refusal, Request, Response, redirect

COOKIE = "taskmill_issuer"
_CHALLENGE = re.compile(r"^[A-Za-z0-9_-]{43}$")  # SHA-256 in base64url
_OTHER_METHOD = "Invalid parameter: code challenge method is not matching the configured one"
_MODES = {None, "query", "fragment"}


def authorize(issuer: Issuer, request: Request) -> Response:
    asked = request.form() if request.method == "POST" else request.parameters()
    client, address = _checked_client(issuer, asked)
    try:
        login = _checked_login(client, address, asked)
    except Refusal as refusal:
        return _sent_back(issuer, address, asked, refusal)
    session = _signed_in(issuer, request)
    if session and asked.get("prompt") != "login":
        return _with_code(issuer, login, session)
    if asked.get("prompt") == "none":
        return _sent_back(issuer, address, asked, Refusal(302, "login_required"))
    return pages.login(_action(issuer, login), issuer.users.all())


def log_in(issuer: Issuer, request: Request) -> Response:
    login = issuer.logins.take(request.parameters().get("login", ""))
    if login is None:
        raise PageRefusal(400, "expired", "This page has expired: go back to the application and sign in again.")
    form = request.form()
    username = form.get("username", "")
    user = issuer.users.named(username)
    if user is None or user.service_client or not issuer.users.has_password(user, form.get("password", "")):
        return pages.login(_action(issuer, login), issuer.users.all(), username, "Invalid username or password.")
    if not user.enabled:
        return pages.login(_action(issuer, login), issuer.users.all(), username, "Account is disabled.")
    cookie = secrets.token_urlsafe(32)
    session = issuer.sessions.start(user.id, cookie)
    issuer.events.user("LOGIN", user.id, login.client_id, session.sid)
    return _with_code(issuer, login, session, (("Set-Cookie", set_cookie(issuer, cookie)),))


def set_cookie(issuer: Issuer, value: str) -> str:
    """Not `Secure`, since this issuer speaks plain HTTP on loopback only."""
    ends = "" if value else "; Max-Age=0"
    return f"{COOKIE}={value}; Path=/realms/{issuer.realm.name}/; HttpOnly; SameSite=Lax{ends}"


def _checked_client(issuer: Issuer, asked: Mapping[str, str]) -> tuple[Client, str]:
    """The client and where it wants the answer. What is wrong here is never redirected: that is how open
    redirects are made."""
    client = issuer.realm.clients.get(asked.get("client_id", ""))
    if client is None or not client.enabled:
        raise PageRefusal(400, "invalid_request", "Client not found.")
    if not client.standard_flow or client.bearer_only:
        raise PageRefusal(400, "unauthorized_client", "This client may not sign people in.")
    address = asked.get("redirect_uri", "")
    if not clients.allows(client.redirect_uris, address):
        raise PageRefusal(400, "invalid_request", "Invalid parameter: redirect_uri")
    return client, address


def _checked_login(client: Client, address: str, asked: Mapping[str, str]) -> Login:
    if asked.get("response_type") != "code":
        raise Refusal(302, "unsupported_response_type", "Only response_type=code is supported")
    if asked.get("response_mode") not in _MODES:
        raise Refusal(302, "invalid_request", "Invalid parameter: response_mode")
    _check_challenge(client, asked)
    return Login(
        client_id=client.client_id,
        redirect_uri=address,
        scope=grants.scope(client, asked.get("scope", "")),
        challenge=asked.get("code_challenge"),
        nonce=asked.get("nonce"),
        state=asked.get("state"),
        fragment=asked.get("response_mode") == "fragment",
    )


def _check_challenge(client: Client, asked: Mapping[str, str]) -> None:
    """Only S256: with `plain` whoever reads the request can use the code."""
    required = client.attributes.get("pkce.code.challenge.method") == "S256"
    if not required and "code_challenge" not in asked:
        return
    if "code_challenge_method" not in asked:
        raise Refusal(302, "invalid_request", "Missing parameter: code_challenge_method")
    if asked["code_challenge_method"] != "S256":
        raise Refusal(302, "invalid_request", _OTHER_METHOD)
    if not _CHALLENGE.match(asked.get("code_challenge", "")):
        raise Refusal(302, "invalid_request", "Missing parameter: code_challenge")


def _signed_in(issuer: Issuer, request: Request) -> Session | None:
    """The session that this browser already has, so that a second client needs no second login."""
    cookie = SimpleCookie(request.headers.get("cookie", "")).get(COOKIE)
    session = issuer.sessions.of_cookie(cookie.value) if cookie else None
    user = issuer.users.get(session.user_id) if session else None
    return session if user and user.enabled else None


def _action(issuer: Issuer, login: Login) -> str:
    return f"{issuer.url}/login-actions/authenticate?login={issuer.logins.give(login)}"


def _with_code(issuer: Issuer, login: Login, session: Session, headers: tuple[tuple[str, str], ...] = ()) -> Response:
    answer = {
        **({"state": login.state} if login.state is not None else {}),
        "session_state": session.sid,
        "iss": issuer.url,  # RFC 9207
        "code": issuer.codes.give(Code(login, session.sid, session.started)),
    }
    return redirect(login.redirect_uri, answer, fragment=login.fragment, headers=headers)


def _sent_back(issuer: Issuer, address: str, asked: Mapping[str, str], refusal: Refusal) -> Response:
    answer = {
        "error": refusal.error,
        **({"error_description": refusal.description} if refusal.description else {}),
        **({"state": asked["state"]} if "state" in asked else {}),
        "iss": issuer.url,
    }
    return redirect(address, answer, fragment=asked.get("response_mode") == "fragment")
