"""Issuers that people log in to: the development issuer in this process, and the Keycloak of `make stack`."""

import html
import re
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from django.http import HttpResponse
from django.test import Client

from accounts.keycloak_admin import KeycloakAdmin
from config.launch.client import LocalSystem
from config.launch.issuer import core, realm
from config.launch.issuer.server import Server
from config.launch.oidc import Issuer

ROOT = Path(__file__).resolve().parents[2]
REALM = ROOT / "docker" / "keycloak" / "taskmill-realm.json"


@dataclass
class Live:
    """An issuer that answers, and the secrets of our clients there."""

    url: str
    site_url: str
    client_secret: str
    directory_secret: str
    service_secret: str
    password: str  # of the demo users, and of those that a test makes

    def token(self, username: str) -> str:
        return str(self.tokens(username)["access_token"])

    def tokens(self, username: str) -> dict[str, Any]:
        """The whole answer: access, refresh and ID token."""
        return Issuer(self.url).by_password(username, self.password)

    def service_token(self) -> str:
        return str(Issuer(self.url).by_secret("taskmill-service", self.service_secret)["access_token"])

    def configure(self, settings: Any) -> None:
        endpoints = f"{self.url}/protocol/openid-connect"
        settings.OIDC_ISSUER = self.url
        settings.OIDC_OP_AUTHORIZATION_ENDPOINT = f"{endpoints}/auth"
        settings.OIDC_OP_TOKEN_ENDPOINT = f"{endpoints}/token"
        settings.OIDC_OP_JWKS_ENDPOINT = f"{endpoints}/certs"
        settings.OIDC_OP_LOGOUT_ENDPOINT = f"{endpoints}/logout"
        settings.OIDC_RP_CLIENT_SECRET = self.client_secret
        settings.OIDC_ADMIN_CLIENT_SECRET = self.directory_secret
        settings.SITE_URL = self.site_url
        settings.ALLOWED_HOSTS = ["*"]

    def browser(self) -> Client:
        """A browser that has opened our site at the address that the realm knows."""
        return Client(HTTP_HOST=urlsplit(self.site_url).netloc)

    @contextmanager
    def somebody(self, *roles: str) -> Iterator["Somebody"]:
        """A user made for one test, who is gone afterwards."""
        keycloak = KeycloakAdmin()
        name = f"test-{secrets.token_hex(6)}"
        credentials = [{"type": "password", "value": self.password, "temporary": False}]
        keycloak.post(
            "users",
            {"username": name, "enabled": True, "email": f"{name}@example.com", "emailVerified": True,
             "firstName": "Test", "lastName": "User", "credentials": credentials},
        )  # fmt: skip
        user = Somebody(self, keycloak, name, keycloak.get("users", username=name, exact="true")[0]["id"])
        for role in roles:
            user.give(role)
        try:
            yield user
        finally:
            user.delete()


@dataclass
class Somebody:
    live: Live
    keycloak: KeycloakAdmin
    name: str
    id: str

    def token(self) -> str:
        return self.live.token(self.name)

    def enable(self, enabled: bool) -> None:
        self.keycloak.put(f"users/{self.id}", {"enabled": enabled})

    def give(self, role: str) -> None:
        self.keycloak.post(f"users/{self.id}/role-mappings/realm", [self.keycloak.get(f"roles/{role}")])

    def take(self, role: str) -> None:
        self.keycloak.delete(f"users/{self.id}/role-mappings/realm", [self.keycloak.get(f"roles/{role}")])

    def new_password(self) -> None:
        self.keycloak.put(f"users/{self.id}/reset-password", {"type": "password", "value": "another"})

    def log_out(self) -> None:
        self.keycloak.post(f"users/{self.id}/logout")

    def delete(self) -> None:
        if self.keycloak.get("users", username=self.name, exact="true"):
            self.keycloak.delete(f"users/{self.id}")


@contextmanager
def development(folder: Path, site_url: str) -> Iterator[Live]:
    """The development issuer, with this realm's file, on a free port."""
    names = ("API", "SERVICE", "ADMIN", "DIRECTORY")
    environment = {f"TASKMILL_{name}_SECRET": secrets.token_urlsafe(24) for name in names}
    environment |= {"TASKMILL_SITE_URL": site_url, "TASKMILL_BACKCHANNEL_URL": site_url}
    server = Server(0, core.build("http://127.0.0.1:0", realm.read(REALM, environment), folder / "port.json"))
    base = f"http://127.0.0.1:{server.server_port}"
    server.server_close()
    server = Server(server.server_port, core.build(base, realm.read(REALM, environment), folder / "issuer.json"))
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield Live(
            f"{base}/realms/taskmill",
            site_url,
            environment["TASKMILL_ADMIN_SECRET"],
            environment["TASKMILL_DIRECTORY_SECRET"],
            environment["TASKMILL_SERVICE_SECRET"],
            "demo",
        )
    finally:
        server.shutdown()
        server.server_close()


def of_the_stack(system: LocalSystem) -> Live:
    """The real Keycloak, as `make stack` runs it."""
    env, oidc = system.env, system.state()["oidc"]
    return Live(
        env["OIDC_ISSUER"],
        env["SITE_URL"],
        env["OIDC_CLIENT_SECRET"],
        env["OIDC_ADMIN_CLIENT_SECRET"],
        oidc["service_secret"],
        oidc["demo_password"],
    )


def log_in(live: Live, browser: Client, username: str, start: str = "/admin/") -> HttpResponse:
    """What a person does: open the admin, be sent to the login form, fill it in, be sent back."""
    location = start
    while not location.startswith("http"):
        location = browser.get(location).headers["Location"]
    return browser.get(callback(live, location, username))  # type: ignore[return-value]


def callback(live: Live, authorize: str, username: str) -> str:
    """Our callback's address with the code, as the login server gives it to the browser."""
    client = httpx.Client()

    def send_secure_cookies_over_loopback(response: httpx.Response) -> None:
        for cookie in client.cookies.jar:
            cookie.secure = False

    client.event_hooks = {"response": [send_secure_cookies_over_loopback]}
    with client:
        form = client.get(authorize)
        action = re.search(r'<form[^>]*action="([^"]+)"', form.text)
        assert action is not None, form.text
        sent = {"username": username, "password": live.password, "credentialId": ""}
        answer = client.post(html.unescape(action[1]), data=sent)
    back = urlsplit(answer.headers["Location"])
    return f"{back.path}?{back.query}"
