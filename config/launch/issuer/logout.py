"""Ends of sessions: by the user, by a client, by an admin; each client of a session is told (back-channel)."""

import sys
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from http.cookies import SimpleCookie
from urllib.parse import urlencode

import jwt

from config.launch.issuer import clients, pages
from config.launch.issuer.core import Issuer
from config.launch.issuer.login import COOKIE, set_cookie
from config.launch.issuer.sessions import Session
from config.launch.issuer.web import PageRefusal, Refusal, Request, Response, redirect

TIMEOUT = 5.0  # seconds; as Keycloak, one call and no second try


def end_sessions(issuer: Issuer, sessions: Iterable[Session]) -> None:
    """End sessions, then tell their clients. A client that does not answer changes nothing: the session is over."""
    ended = list(sessions)
    issuer.sessions.end(session.sid for session in ended)
    for session in ended:
        for client_id in session.clients:
            _tell(issuer, client_id, session)


def end_session(issuer: Issuer, request: Request) -> Response:
    """OpenID Connect RP-Initiated Logout 1.0, and Keycloak's older logout by refresh token."""
    asked = {**request.parameters(), **request.form()}
    if "refresh_token" in asked:
        return _by_refresh_token(issuer, request, asked)
    session, client_id = _session(issuer, request, asked)
    address = asked.get("post_logout_redirect_uri")
    if address:
        _check_address(issuer, client_id or asked.get("client_id", ""), address)
    if session and client_id is None and "confirm" not in request.form():
        return pages.confirm_logout(f"{issuer.endpoints}/logout?{urlencode(asked)}")
    if session:
        end_sessions(issuer, [session])
        issuer.events.user("LOGOUT", session.user_id, client_id or "account", session.sid)
    forget = (("Set-Cookie", set_cookie(issuer, "")),)
    if address:
        return redirect(address, {"state": asked["state"]} if "state" in asked else {}, headers=forget)
    return pages.message("You are signed out", "You may close this page.", headers=forget)


def _by_refresh_token(issuer: Issuer, request: Request, form: Mapping[str, str]) -> Response:
    client = clients.authenticate(issuer, request, form)
    try:
        claims = issuer.tokens.read(form["refresh_token"], "Refresh")
    except jwt.InvalidTokenError as error:
        raise Refusal(400, "invalid_grant", "Invalid refresh token") from error
    session = issuer.sessions.get(claims["sid"])
    if claims["azp"] != client.client_id or session is None:
        raise Refusal(400, "invalid_grant", "Invalid refresh token")
    end_sessions(issuer, [session])
    issuer.events.user("LOGOUT", session.user_id, client.client_id, session.sid)
    return Response(204)


def _session(issuer: Issuer, request: Request, asked: Mapping[str, str]) -> tuple[Session | None, str | None]:
    """The session to end, and the client whose ID token names it (an expired one is as good). Without such a
    token it is the browser's own, and the person is asked: any page could have sent the browser here."""
    hint = asked.get("id_token_hint")
    if hint is None:
        cookie = SimpleCookie(request.headers.get("cookie", "")).get(COOKIE)
        return (issuer.sessions.of_cookie(cookie.value) if cookie else None), None
    try:
        claims = issuer.tokens.read(hint, "ID", expired=True)
    except jwt.InvalidTokenError as error:
        raise PageRefusal(400, "invalid_request", "Invalid parameter: id_token_hint") from error
    return issuer.sessions.get(claims["sid"]), claims["azp"]


def _check_address(issuer: Issuer, client_id: str, address: str) -> None:
    client = issuer.realm.clients.get(client_id)
    if client is None or not clients.allows(client.after_logout, address):
        raise PageRefusal(400, "invalid_request", "Invalid redirect uri")


def _tell(issuer: Issuer, client_id: str, session: Session) -> None:
    client = issuer.realm.clients.get(client_id)
    if client is None or not client.logout_url:
        return
    body = urlencode({"logout_token": issuer.tokens.logout(client, session.user_id, session.sid)}).encode()
    try:
        with urllib.request.urlopen(client.logout_url, body, TIMEOUT) as answer:  # noqa: S310 - an address of the realm file
            answer.read()
    except (urllib.error.URLError, OSError) as error:
        print(f"back-channel logout of {client_id} failed: {error}", file=sys.stderr, flush=True)
