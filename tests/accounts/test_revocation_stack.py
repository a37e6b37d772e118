"""The whole way on real servers: what happens in Keycloak ends access at the load balancer within the promised time."""

import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from config.launch.client import LocalSystem
from tests.accounts.issuers import Live, Somebody, of_the_stack

pytestmark = pytest.mark.stack
PROMISE = 5.0  # seconds


@pytest.fixture
def live(stack: LocalSystem, settings: Any) -> Live:
    found = of_the_stack(stack)
    found.configure(settings)
    return found


def me(live: Live, token: str) -> int:
    return httpx.get(f"{live.site_url}/v1/me", headers={"authorization": f"Bearer {token}"}).status_code


def ends(live: Live, token: str) -> bool:
    """On every instance: the load balancer takes turns."""
    end = time.monotonic() + PROMISE
    while time.monotonic() < end:
        if {me(live, token) for _ in range(4)} == {401}:
            return True
        time.sleep(0.1)
    return False


@pytest.mark.parametrize(
    "change",
    [
        lambda somebody: somebody.enable(False),
        lambda somebody: somebody.delete(),
        lambda somebody: somebody.take("user"),
        lambda somebody: somebody.new_password(),
        lambda somebody: somebody.log_out(),
    ],
    ids=["disabled", "deleted", "role-taken", "password-reset", "logged-out"],
)
def test_a_change_in_keycloaks_console_ends_access_in_time(live: Live, change: Callable[[Somebody], None]) -> None:
    with live.somebody("user") as somebody:
        token = somebody.token()
        assert me(live, token) == 200
        change(somebody)
        assert ends(live, token)


def test_a_logout_ends_one_session_by_the_back_channel(live: Live) -> None:
    with live.somebody("user") as somebody:
        phone, laptop = live.tokens(somebody.name), live.tokens(somebody.name)
        form = {"client_id": "taskmill-cli", "refresh_token": phone["refresh_token"]}
        answer = httpx.post(f"{live.url}/protocol/openid-connect/logout", data=form)
        assert answer.status_code == 204
        assert ends(live, phone["access_token"])
        assert me(live, laptop["access_token"]) == 200
