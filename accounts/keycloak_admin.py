"""Keycloak's admin API, as far as oversight needs it: users, their roles and sessions, and what was changed."""

import time
from typing import Any

import requests
from django.conf import settings

TIMEOUT = (2.0, 5.0)  # seconds to connect, and between two reads
_EARLY = 30  # a token is renewed these seconds before it expires

Json = Any


class KeycloakUnavailable(Exception):
    """Keycloak does not answer, or answers that it cannot now."""


class KeycloakRefused(Exception):
    """Keycloak answered no; `status` is its HTTP status."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(f"Keycloak answered {status}: {detail}")
        self.status = status


class KeycloakAdmin:
    """One connection with its token, for one thread."""

    def __init__(self) -> None:
        self._session = requests.Session()
        self._base = settings.OIDC_ISSUER.replace("/realms/", "/admin/realms/", 1)
        self._token, self._renew_at = "", 0.0

    def get(self, path: str, **query: Any) -> Json:
        return self._call("GET", path, params=query).json()

    def put(self, path: str, body: Json) -> None:
        self._call("PUT", path, json=body)

    def post(self, path: str, body: Json = None) -> None:
        self._call("POST", path, json=body)

    def delete(self, path: str, body: Json = None) -> None:
        self._call("DELETE", path, json=body)

    def _call(self, method: str, path: str, **how: Any) -> requests.Response:
        response = self._authorized(method, path, **how)
        if response.status_code == requests.codes.unauthorized:
            self._renew_at = 0.0  # withdrawn early, or the realm's keys were changed
            response = self._authorized(method, path, **how)
        return _checked(response)

    def _authorized(self, method: str, path: str, **how: Any) -> requests.Response:
        if time.monotonic() >= self._renew_at:
            self._log_in()
        headers = {"Authorization": f"Bearer {self._token}"}
        return self._send(method, f"{self._base}/{path}", headers=headers, **how)

    def _log_in(self) -> None:
        answer = self._send(
            "POST",
            settings.OIDC_OP_TOKEN_ENDPOINT,
            data={"grant_type": "client_credentials"},
            auth=(settings.OIDC_ADMIN_CLIENT_ID, settings.OIDC_ADMIN_CLIENT_SECRET),
        )
        granted = _checked(answer).json()
        self._token = granted["access_token"]
        self._renew_at = time.monotonic() + max(0, granted["expires_in"] - _EARLY)

    def _send(self, method: str, url: str, **how: Any) -> requests.Response:
        try:
            return self._session.request(method, url, timeout=TIMEOUT, allow_redirects=False, **how)
        except requests.RequestException as error:
            raise KeycloakUnavailable(type(error).__name__) from error


def _checked(response: requests.Response) -> requests.Response:
    if response.status_code >= requests.codes.internal_server_error:
        raise KeycloakUnavailable(f"status {response.status_code}")
    if not response.ok:
        raise KeycloakRefused(response.status_code, response.text[:200])
    return response
