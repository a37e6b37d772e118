"""Tokens from a running issuer, in the three ways people and programs get them; the standard library only."""

import base64
import hashlib
import html
import http.cookiejar
import json
import re
import secrets
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from config.launch.errors import LaunchError

_SECONDS = 20


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The redirect carries the code: following it would hand it to the web application."""

    def redirect_request(self, *arguments: Any, **named: Any) -> None:
        return None


class Issuer:
    """`url` is the issuer as it stands in the tokens, such as http://127.0.0.1:18010/realms/taskmill."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._base = f"{url}/protocol/openid-connect"

    def by_password(self, username: str, password: str, client: str = "taskmill-cli") -> dict[str, Any]:
        form = {"grant_type": "password", "client_id": client, "username": username, "password": password}
        return self._token({**form, "scope": "openid"}, username)

    def by_secret(self, client: str, secret: str) -> dict[str, Any]:
        return self._token({"grant_type": "client_credentials", "client_id": client, "client_secret": secret}, client)

    def refresh(self, refresh_token: str, client: str) -> dict[str, Any]:
        return self._token({"grant_type": "refresh_token", "client_id": client, "refresh_token": refresh_token}, client)

    def by_login_form(
        self, username: str, password: str, redirect_uri: str, client: str = "taskmill-web"
    ) -> dict[str, Any]:
        """What a browser does: the form, the code, and the code exchanged with its PKCE verifier."""
        verifier = secrets.token_urlsafe(48)
        browser = _browser()
        with _open(browser, f"{self._base}/auth?{self._challenge(client, redirect_uri, verifier)}") as page:
            action = re.search(r'<form[^>]*action="([^"]+)"', page.read().decode())
        if action is None:
            raise LaunchError(f"the login page of {self.url} has no form.")
        form = urlencode({"username": username, "password": password, "credentialId": ""}).encode()
        with _open(browser, html.unescape(action[1]), form) as answer:
            code = parse_qs(urlsplit(answer.headers.get("Location") or "").query).get("code")
        if code is None:
            raise LaunchError(f"the login of {username} was refused with status {answer.status}.")
        exchange = {"grant_type": "authorization_code", "client_id": client, "redirect_uri": redirect_uri}
        return self._token({**exchange, "code": code[0], "code_verifier": verifier}, username)

    def _challenge(self, client: str, redirect_uri: str, verifier: str) -> str:
        digest = hashlib.sha256(verifier.encode()).digest()
        query = {"response_type": "code", "scope": "openid", "client_id": client, "redirect_uri": redirect_uri}
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        more = {"state": secrets.token_urlsafe(16), "nonce": secrets.token_urlsafe(16)}
        return urlencode({**query, **more, "code_challenge": challenge, "code_challenge_method": "S256"})

    def _token(self, form: Mapping[str, str], who: str) -> dict[str, Any]:
        with _open(urllib.request.build_opener(), f"{self._base}/token", urlencode(form).encode()) as answer:
            body = json.loads(answer.read() or b"{}")
        if answer.status != 200:
            reason = body.get("error_description") or body.get("error") or answer.status
            raise LaunchError(f"no token for {who}: {reason}.")
        return dict(body)


def _browser() -> urllib.request.OpenerDirector:
    """Keycloak marks its login cookies Secure over plain http too; browsers send them to 127.0.0.1, we must say so."""
    policy = http.cookiejar.DefaultCookiePolicy(secure_protocols=("https", "http"))
    cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar(policy))
    return urllib.request.build_opener(cookies, _NoRedirect)


def _open(opener: urllib.request.OpenerDirector, url: str, form: bytes | None = None) -> Any:
    """The answer, whatever its status: an error status is an answer too."""
    try:
        return opener.open(url, form, timeout=_SECONDS)
    except urllib.error.HTTPError as error:
        return error
    except OSError as error:
        raise LaunchError(f"{urlsplit(url).netloc} does not answer: is the system running?") from error
