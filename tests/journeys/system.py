"""A running system as a person meets it: over HTTP through its front door, with real tokens and a real inbox."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import httpx

from config.launch.client import LocalSystem

T = TypeVar("T")


def eventually(look: Callable[[], T], within: float, what: str) -> T:
    """The first true answer of `look`. A bound on waiting, not a measurement."""
    deadline = time.monotonic() + within
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {within} s: {what}"
        time.sleep(0.1)


class Caller:
    """One person's (or program's) calls with one token."""

    def __init__(self, base: str, token: str) -> None:
        self.token = token
        self.http = httpx.Client(base_url=base, headers={"Authorization": f"Bearer {token}"}, timeout=30)

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.http.get(path, **more)

    def post(self, path: str, body: Any = None, **headers: str) -> httpx.Response:
        return self.http.post(path, json=body, headers=_names(headers))

    def patiently(self, path: str, body: Any) -> httpx.Response:
        """A POST of a client that does what `Retry-After` says."""
        while (answer := self.post(path, body)).status_code == 429:
            time.sleep(int(answer.headers["Retry-After"]))
        return answer

    def patch(self, path: str, body: Any, **headers: str) -> httpx.Response:
        return self.http.patch(path, json=body, headers=_names(headers))

    def delete(self, path: str, **headers: str) -> httpx.Response:
        return self.http.delete(path, headers=_names(headers))

    def pages(self, path: str, **query: Any) -> Iterator[dict[str, Any]]:
        """Every row of a list, page by page."""
        cursor: dict[str, str] = {}
        while True:
            page = self.get(path, params={**query, **cursor}).raise_for_status().json()
            yield from page["results"]
            if page["next_cursor"] is None:
                return
            cursor = {"cursor": page["next_cursor"]}


def _names(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


class System:
    def __init__(self, local: LocalSystem) -> None:
        self.local = local
        self.url = local.api_url
        self._directory: httpx.Client | None = None
        self._clients: list[httpx.Client] = []

    def close(self) -> None:
        for client in self._clients:
            client.close()

    def caller(self, user: str) -> Caller:
        return self.with_token(self.local.token(user))

    def with_token(self, token: str) -> Caller:
        caller = Caller(self.url, token)
        self._clients.append(caller.http)
        return caller

    def logged_in(self, user: str) -> tuple[Caller, dict[str, Any]]:
        """By the real login form: authorization code with PKCE."""
        tokens = self.local.login(user)
        return self.with_token(tokens["access_token"]), tokens

    # The inbox

    def mails(self, subject_part: str) -> list[dict[str, Any]]:
        """The mails whose subject holds this text, as the inbox's own JSON tells them."""
        parts = self.local.parts()
        inbox = parts["mail"]["inbox"] if "inbox" in parts["mail"] else parts["mail"]["url"]
        found: list[dict[str, Any]] = httpx.get(f"{inbox}/api/email", timeout=10).raise_for_status().json()
        return [mail for mail in found if subject_part in mail["subject"]]

    # Keycloak, as its administrator uses it

    def keycloak(self) -> httpx.Client:
        if self._directory is None:
            secret = self.local.env["OIDC_ADMIN_CLIENT_SECRET"]
            token = self.local.issuer.by_secret("taskmill-directory", secret)["access_token"]
            base = self.local.issuer.url.replace("/realms/", "/admin/realms/")
            self._directory = httpx.Client(base_url=base, headers={"Authorization": f"Bearer {token}"}, timeout=30)
            self._clients.append(self._directory)
        return self._directory

    def set_enabled(self, user_id: str, enabled: bool) -> None:
        self.keycloak().put(f"/users/{user_id}", json={"enabled": enabled}).raise_for_status()

    def log_out_everywhere(self, user_id: str) -> None:
        self.keycloak().post(f"/users/{user_id}/logout").raise_for_status()

    # Logs

    def log_lines(self, prefix: str, request_id: str) -> list[dict[str, Any]]:
        """The lines about one request in the logs of the parts whose name begins with `prefix`."""
        return [
            line
            for name, part in self.local.parts().items()
            if name.startswith(prefix)
            for line in _json_lines(Path(part["log"]))
            if line.get("request_id") == request_id
        ]


def _json_lines(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_text(encoding="utf-8", errors="strict").splitlines():
        if line.startswith("{"):
            yield json.loads(line)
