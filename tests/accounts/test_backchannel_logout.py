"""Keycloak's back-channel logout: verified fully, answered at once, harmless when repeated."""

import time
from typing import Any

import pytest
from django.test import Client

from accounts import denials
from accounts.models import Denial
from tests.accounts.keycloak import ALICE, In, Jwks, Key, Mint

pytestmark = pytest.mark.django_db
URL = "/oidc/backchannel-logout"
SESSION = "Bzn08O3mBO7JAgLgnry2H-VE"


def post(client: Client, token: str) -> Any:
    return client.post(URL, f"logout_token={token}", content_type="application/x-www-form-urlencoded")


def test_a_logout_ends_the_sessions_tokens_and_no_others(client: Client, mint: Mint) -> None:
    answer = post(client, mint.logout())
    assert (answer.status_code, answer.content, answer.headers["Cache-Control"]) == (200, b"", "no-store")
    assert me(client, mint.access(sid=SESSION)) == 401
    assert me(client, mint.access(sid="another")) == 200


def test_a_repeated_logout_is_answered_alike(client: Client, mint: Mint) -> None:
    token = mint.logout()
    assert [post(client, token).status_code for _ in range(3)] == [200, 200, 200]
    assert post(client, mint.logout(aud="taskmill-mobile")).status_code == 200
    assert Denial.objects.filter(session=SESSION).count() == 1


def test_a_logout_without_a_session_ends_all_of_the_users(client: Client, mint: Mint) -> None:
    assert post(client, mint.logout(sid=..., sub="dora")).status_code == 200
    now = int(time.time())
    assert me(client, mint.access(sub="dora", iat=now - 5)) == 401
    assert me(client, mint.access(sub="dora", iat=now + 5)) == 200


@pytest.mark.parametrize(
    "change",
    [
        {"aud": "taskmill-api"},
        {"aud": "another"},
        {"aud": ...},
        {"iss": "http://127.0.0.1/realms/other"},
        {"exp": In(-60)},
        {"exp": ...},
        {"iat": In(60)},
        {"events": ...},
        {"events": {}},
        {"events": None},
        {"events": ["http://schemas.openid.net/event/backchannel-logout"]},
        {"events": {"http://schemas.openid.net/event/backchannel-logout": 1}},
        {"nonce": "x"},
        {"nonce": None},
        {"typ": "Bearer"},
        {"typ": "ID"},
        {"jti": ...},
        {"sub": ...},
        {"sub": 7},
        {"sid": 7},
    ],
)
def test_a_token_that_is_no_logout_token_ends_nothing(client: Client, mint: Mint, change: dict[str, Any]) -> None:
    answer = post(client, mint.logout(**change))
    assert (answer.status_code, answer.headers["Content-Type"]) == (400, "application/problem+json")
    assert answer.headers["Cache-Control"] == "no-store"
    assert not Denial.objects.exists()


def test_an_access_token_or_a_foreign_signature_ends_nothing(client: Client, mint: Mint, other_key: Key) -> None:
    forged = mint.logout(header={"kid": mint.key.kid})[:-20] + "A" * 20
    assert [post(client, token).status_code for token in (mint.access(), mint.identity(), forged, "x", "")] == [400] * 5
    mint.key = other_key
    assert post(client, mint.logout()).status_code == 400
    assert not Denial.objects.exists()


def test_one_token_is_expected_in_a_form_by_post(client: Client, mint: Mint) -> None:
    token = mint.logout()
    assert client.post(URL, {"logout_token": [token, token]}).status_code == 400
    assert client.post(URL, {"logout_token": token}, content_type="application/json").status_code == 400
    assert client.get(URL, {"logout_token": token}).status_code == 405
    assert not Denial.objects.exists()


def test_without_redis_the_denial_is_kept_in_postgresql(client: Client, mint: Mint, redis_down: None) -> None:
    assert post(client, mint.logout()).status_code == 200
    assert denials.against(ALICE, SESSION, 0).exists()


def test_without_any_key_keycloak_hears_that_it_was_not_done(client: Client, mint: Mint, jwks: Jwks) -> None:
    jwks.status = 500
    assert post(client, mint.logout()).status_code == 503


def me(client: Client, token: str) -> int:
    return client.get("/v1/me", headers={"authorization": f"Bearer {token}"}).status_code
