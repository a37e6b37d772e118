"""Tokens of the demo users come from the real Keycloak, in each way that people and programs use."""

import base64
import json
import os
import subprocess
from typing import Any

import pytest

from config.launch.client import LocalSystem
from config.launch.errors import LaunchError

ROLES = {"alice": {"user"}, "bob": {"user"}, "vera": {"viewer"}, "ada": {"admin"}, "nobody": set(), "service": {"user"}}


def claims(token: str) -> dict[str, Any]:
    payload = token.split(".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))))


@pytest.mark.parametrize(("user", "roles"), ROLES.items())
def test_token_holds_the_roles_of_the_user(stack: LocalSystem, user: str, roles: set[str]) -> None:
    found = claims(stack.token(user))
    assert set(found.get("realm_access", {}).get("roles", [])) == roles
    assert found["iss"] == stack.state()["oidc"]["issuer"]
    assert found["aud"] == "taskmill-api"


def test_login_form_gives_the_same_user_as_the_password_grant(stack: LocalSystem) -> None:
    """The form is what the web application uses; the grant is for command lines."""
    answer = stack.login("alice")
    by_form, by_grant = claims(answer["access_token"]), claims(stack.token("alice"))
    assert by_form["sub"] == by_grant["sub"]
    assert (by_form["azp"], by_grant["azp"]) == ("taskmill-web", "taskmill-cli")
    assert {"refresh_token", "id_token"} <= set(answer)


def test_wrong_user_is_refused_in_one_line(stack: LocalSystem) -> None:
    with pytest.raises(LaunchError, match=r"^no token for mallory: Invalid user credentials\.$"):
        stack.token("mallory")


def make_token(*arguments: str) -> str:
    env = {**os.environ, "USER": "vera"}
    done = subprocess.run(
        ["make", "-s", "token", *arguments], capture_output=True, text=True, check=True, env=env, timeout=60
    )
    return done.stdout.strip()


def test_make_token_prints_nothing_but_the_token(stack: LocalSystem) -> None:
    assert claims(make_token("USER=bob"))["preferred_username"] == "bob"


def test_make_token_does_not_take_the_login_account_for_a_demo_user(stack: LocalSystem) -> None:
    """Every shell sets USER; without an argument it is alice's token."""
    assert claims(make_token())["preferred_username"] == "alice"
