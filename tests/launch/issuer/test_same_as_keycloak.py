"""The same calls to the issuer and to the real Keycloak of `make stack`: the answers have the same shape."""

import time
from collections.abc import Iterator
from typing import Any

import jwt
import pytest

from config.launch.client import LocalSystem
from tests.config.servers import eventually
from tests.launch.issuer.browser import ALICE, Api, claims, redirected


@pytest.fixture
def keycloak(stack: LocalSystem) -> Iterator[Api]:
    secrets = {
        "taskmill-service": stack.state()["oidc"]["service_secret"],
        "taskmill-directory": stack.env["OIDC_ADMIN_CLIENT_SECRET"],
    }
    with Api(stack.issuer.url, stack.api_url, secrets) as api:
        yield api


def _shape(token: str) -> dict[str, Any]:
    """The header, and the type of each claim; the values of those that must be the same everywhere."""
    header, found = jwt.get_unverified_header(token), claims(token)
    fixed = {name: found.get(name) for name in ("typ", "azp", "acr", "realm_access", "preferred_username")}
    return {
        # Keycloak's order follows ids that it makes at an import; it means nothing (RFC 6749 §3.3).
        "scope": sorted(found.get("scope", "").split()),
        "header": {name: value for name, value in header.items() if name != "kid"} | {"kid": "kid" in header},
        "types": {name: type(value).__name__ for name, value in found.items()},
        "lifespan": found["exp"] - found["iat"],
        "mark": found["jti"].rpartition(":")[0],
        **fixed,
    }


def _answer(tokens: dict[str, Any]) -> dict[str, Any]:
    """Of a token endpoint: its members, and the shape of each token that it holds."""
    held = [name for name in ("access_token", "id_token") if name in tokens]
    return {"members": set(tokens), "tokens": {name: _shape(tokens[name]) for name in held}}


def test_tokens_of_a_login_page(issuer: Api, keycloak: Api) -> None:
    ours, theirs = (_answer(api.log_in("alice")) for api in (issuer, keycloak))
    assert ours == theirs


@pytest.mark.parametrize("user", ["alice", "vera", "nobody"])
def test_tokens_of_a_password(issuer: Api, keycloak: Api, user: str) -> None:
    ours, theirs = (_answer(api.password(user)) for api in (issuer, keycloak))
    assert ours == theirs


@pytest.mark.parametrize("client", ["taskmill-service", "taskmill-directory"])
def test_tokens_of_a_client(issuer: Api, keycloak: Api, client: str) -> None:
    ours, theirs = (_answer(api.credentials(client)) for api in (issuer, keycloak))
    assert ours == theirs


def test_tokens_of_a_refresh(issuer: Api, keycloak: Api) -> None:
    ours, theirs = (_answer(api.refresh(api.password("alice")).json()) for api in (issuer, keycloak))
    assert ours == theirs


def test_refresh_token_is_as_opaque(issuer: Api, keycloak: Api) -> None:
    headers = [jwt.get_unverified_header(api.password("alice")["refresh_token"]) for api in (issuer, keycloak)]
    assert {header.pop("kid") != "" for header in headers} == {True}
    assert headers[0] == headers[1]


@pytest.mark.parametrize(
    ("grant", "form"),
    [
        ("password", {"client_id": "taskmill-cli", "username": "unknown", "password": "demo"}),
        ("password", {"client_id": "taskmill-web", "username": "alice", "password": "demo"}),
        ("password", {"client_id": "unknown", "username": "alice", "password": "demo"}),
        ("password", {"client_id": "taskmill-cli", "username": "alice", "password": "demo", "scope": "everything"}),
        ("client_credentials", {"client_id": "taskmill-service", "client_secret": "wrong"}),
        ("client_credentials", {"client_id": "taskmill-cli"}),
        ("authorization_code", {"client_id": "taskmill-web", "code": "wrong", "redirect_uri": "http://none/"}),
        ("refresh_token", {"client_id": "taskmill-cli", "refresh_token": "wrong"}),
        ("unknown", {"client_id": "taskmill-cli"}),
    ],
)
def test_refusals_of_the_token_endpoint(issuer: Api, keycloak: Api, grant: str, form: dict[str, str]) -> None:
    ours, theirs = (
        (answer.status_code, answer.json()) for answer in (api.token(grant, **form) for api in (issuer, keycloak))
    )
    assert ours == theirs


@pytest.mark.parametrize(
    "changes",
    [
        {"code_challenge": None, "code_challenge_method": None},
        {"code_challenge_method": "plain"},
        {"scope": "openid everything"},
        {"prompt": "none"},
    ],
)
def test_refusals_of_a_login(issuer: Api, keycloak: Api, changes: dict[str, str | None]) -> None:
    ours, theirs = (redirected(api.authorize(**changes)) for api in (issuer, keycloak))
    assert ours.pop("iss") != theirs.pop("iss")
    assert ours == theirs


@pytest.mark.parametrize("changes", [{"redirect_uri": "http://evil.example/"}, {"client_id": "unknown"}])
def test_refusals_that_are_shown_and_not_redirected(issuer: Api, keycloak: Api, changes: dict[str, str | None]) -> None:
    ours, theirs = (api.authorize(**changes).status_code for api in (issuer, keycloak))
    assert ours == theirs


def test_wrong_verifier(issuer: Api, keycloak: Api) -> None:
    def answers(api: Api) -> list[Any]:
        code = redirected(api.fill_in(api.authorize(), "alice"))["code"]
        wrong = api.exchange(code, code_verifier="another-verifier-of-forty-three-characters-12345")
        return [wrong.status_code, wrong.json(), api.exchange(code).json()]

    assert answers(issuer) == answers(keycloak)


def test_published_keys_and_addresses(issuer: Api, keycloak: Api) -> None:
    def keys(api: Api) -> set[tuple[str, str, frozenset[str]]]:
        return {(key["use"], key["alg"], frozenset(key)) for key in api.get(f"{api.oidc}/certs").json()["keys"]}

    def addresses(api: Api) -> dict[str, str]:
        found = api.get(f"{api.url}/.well-known/openid-configuration").json()
        return {name: value.removeprefix(api.url) for name, value in found.items() if isinstance(value, str)}

    assert keys(issuer) == keys(keycloak)
    assert addresses(issuer).items() <= addresses(keycloak).items()


@pytest.mark.parametrize(
    "path",
    [f"users/{ALICE}", "users", "roles", "roles/admin", f"users/{ALICE}/role-mappings/realm", "admin-events", "events"],
)
def test_admin_answers_have_no_field_of_their_own(issuer: Api, keycloak: Api, path: str) -> None:
    def fields(api: Api) -> set[str]:
        body = api.admin("GET", path).raise_for_status().json()
        return {name for item in (body if isinstance(body, list) else [body]) for name in item}

    for api in (issuer, keycloak):  # an event of each kind
        api.admin("POST", f"users/{ALICE}/logout").raise_for_status()
        api.password("alice")
    ended = int(time.time())
    assert fields(issuer) <= fields(keycloak)
    # The logout refuses what was issued in its second, also to the tests that come next.
    eventually(lambda: int(time.time()) > ended, "the end of the second of the logout")


def test_refusals_of_the_admin_api(issuer: Api, keycloak: Api) -> None:
    def answers(api: Api) -> list[Any]:
        missing = api.admin("GET", "users/unknown")
        role = api.admin("POST", f"users/{ALICE}/role-mappings/realm", json=[{"name": "admin"}])
        headers = {"Authorization": f"Bearer {api.password('ada')['access_token']}"}
        person = api.get(f"{api.admin_url}/users", headers=headers)
        return [(answer.status_code, answer.json()["error"]) for answer in (missing, role, person)]

    assert answers(issuer) == answers(keycloak)
