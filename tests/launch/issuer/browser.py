"""The issuer as its callers see it: a browser, clients with their grants, and the admin API."""

import base64
import hashlib
import html
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt

SITE = "http://127.0.0.1:8000"
CALLBACK = f"{SITE}/callback"
VERIFIER = "a-verifier-of-at-least-forty-three-characters-0123"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
ALICE = "00000000-0000-4000-8000-000000000001"
SECRETS = {"taskmill-service": "service-secret", "taskmill-directory": "directory-secret", "taskmill-api": "api-secret"}


class Api(httpx.Client):
    """`url` is the realm's: the issuer of its tokens. `site` is where its web client lives."""

    def __init__(self, url: str, site: str = SITE, secrets: Mapping[str, str] = SECRETS) -> None:
        super().__init__(timeout=30, event_hooks={"response": [self._send_secure_cookies_over_loopback]})
        self.callback, self.secrets = f"{site}/callback", secrets
        self.url, self.oidc = url, f"{url}/protocol/openid-connect"
        self.admin_url = url.replace("/realms/", "/admin/realms/")

    def _send_secure_cookies_over_loopback(self, response: httpx.Response) -> None:
        """As browsers do; Keycloak marks its cookies Secure over plain http too."""
        for cookie in self.cookies.jar:
            cookie.secure = False

    def token(self, grant: str, **form: str) -> httpx.Response:
        return self.post(f"{self.oidc}/token", data={"grant_type": grant, **form})

    def password(self, username: str, **more: str) -> dict[str, Any]:
        form = {"client_id": "taskmill-cli", "username": username, "password": "demo", "scope": "openid", **more}
        return dict(self.token("password", **form).raise_for_status().json())

    def credentials(self, client: str) -> dict[str, Any]:
        answer = self.token("client_credentials", client_id=client, client_secret=self.secrets[client])
        return dict(answer.raise_for_status().json())

    def refresh(self, tokens: dict[str, Any], client: str = "taskmill-cli") -> httpx.Response:
        return self.token("refresh_token", client_id=client, refresh_token=tokens["refresh_token"])

    def authorize(self, **changes: str | None) -> httpx.Response:
        """The authorization request of the web client; a parameter that is changed to None is left out."""
        query: dict[str, str | None] = {
            "client_id": "taskmill-web",
            "redirect_uri": self.callback,
            "response_type": "code",
            "scope": "openid",
            "state": "the-state",
            "nonce": "the-nonce",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            **changes,
        }
        return self.get(f"{self.oidc}/auth", params={name: value for name, value in query.items() if value is not None})

    def fill_in(self, page: httpx.Response, username: str, password: str = "demo") -> httpx.Response:
        action = re.search(r'action="([^"]+)"', page.text)
        assert action, page.text
        form = {"username": username, "password": password, "credentialId": ""}
        return self.post(html.unescape(action[1]), data=form)

    def exchange(self, code: str, **changes: str) -> httpx.Response:
        form = {"client_id": "taskmill-web", "redirect_uri": self.callback, "code": code, "code_verifier": VERIFIER}
        return self.token("authorization_code", **{**form, **changes})

    def log_in(self, username: str) -> dict[str, Any]:
        """The whole code flow of the web client."""
        answer = self.fill_in(self.authorize(), username)
        return dict(self.exchange(redirected(answer)["code"]).raise_for_status().json())

    def admin(self, method: str, path: str, **how: Any) -> httpx.Response:
        """A call as taskmill-directory."""
        headers = {"Authorization": f"Bearer {self.credentials('taskmill-directory')['access_token']}"}
        return self.request(method, f"{self.admin_url}/{path}", headers=headers, **how)

    def userinfo(self, tokens: dict[str, Any]) -> httpx.Response:
        return self.get(f"{self.oidc}/userinfo", headers={"Authorization": f"Bearer {tokens['access_token']}"})

    def verified(self, token: str, audience: str) -> dict[str, Any]:
        """The claims, checked as a resource server does: the key by its id from the published set."""
        kid = jwt.get_unverified_header(token)["kid"]
        keys = {key["kid"]: key for key in self.get(f"{self.oidc}/certs").json()["keys"] if key["use"] == "sig"}
        key = jwt.PyJWK(keys[kid])
        return dict(jwt.decode(token, key, ["RS256"], audience=audience, issuer=self.url))


def claims(token: str) -> dict[str, Any]:
    return dict(jwt.decode(token, options={"verify_signature": False}))


def redirected(answer: httpx.Response) -> dict[str, str]:
    """What a redirect carries in its query."""
    assert answer.status_code == 302, answer.text
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["Location"]).query).items()}
