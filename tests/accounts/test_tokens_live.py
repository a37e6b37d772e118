"""Tokens as real issuers make them: each kind is what the verifier and the other tests take it for."""

from typing import Any

import jwt
import pytest
from django.test import Client

from tests.accounts.issuers import Live
from tests.accounts.keycloak import ADA, ALICE, BOB, NOBODY, SERVICE, VERA, Key, Mint

pytestmark = pytest.mark.django_db


def me(token: str) -> Any:
    return Client().get("/v1/me", headers={"authorization": f"Bearer {token}"})


@pytest.mark.parametrize(
    ("username", "user_id", "roles"),
    [
        ("alice", ALICE, ["user"]),
        ("bob", BOB, ["user"]),
        ("vera", VERA, ["viewer"]),
        ("ada", ADA, ["admin"]),
        ("nobody", NOBODY, []),
    ],
)
def test_the_demo_users_are_who_the_realm_file_says(live: Live, username: str, user_id: str, roles: list[str]) -> None:
    answer = me(live.token(username)).json()
    assert (answer["id"], answer["username"], answer["roles"]) == (user_id, username, roles)
    assert answer["email"] == f"{username}@example.com"


def test_the_service_account_passes_the_same_checks(live: Live) -> None:
    answer = me(live.service_token()).json()
    assert (answer["id"], answer["roles"]) == (SERVICE, ["user"])


def test_no_other_kind_of_token_opens_the_api(live: Live) -> None:
    issued = live.tokens("alice")
    assert me(issued["access_token"]).status_code == 200
    for kind in ("refresh_token", "id_token"):
        assert me(issued[kind]).status_code == 401, kind


def test_the_tokens_of_our_tests_have_the_real_shape(live: Live, key: Key) -> None:
    made = Mint("http://127.0.0.1/realms/taskmill", key).access()
    real = live.token("alice")
    assert jwt.get_unverified_header(real).keys() == jwt.get_unverified_header(made).keys()
    assert shape(real) == {
        name: kind
        for name, kind in shape(made).items()
        # Of the code flow only, and of users who have Keycloak's own default roles.
        if name not in {"auth_time", "resource_access"}
    } | {"aud": str}


def shape(token: str) -> dict[str, type]:
    """Claims and their types, without the names of a person, which every user has or not."""
    claims = jwt.decode(token, options={"verify_signature": False})
    personal = {"name", "given_name", "family_name", "email_verified", "allowed-origins"}
    return {name: type(value) for name, value in claims.items() if name not in personal}
