"""Web pages of other origins: none may call, unless CORS_ORIGINS names them"""

from typing import Any

import pytest

from tests.cast import Caller

pytestmark = pytest.mark.django_db
URL = "/v1/tasks"
APP, OTHER = "https://app.example.org", "https://evil.example"
PREFLIGHT = {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}


def cross_origin(answer: Any) -> set[str]:
    return {name for name in answer.headers if name.startswith("Access-Control-")}


def test_it_is_off_by_default(alice: Caller, anonymous: Caller) -> None:
    assert not cross_origin(alice.get(URL, headers={"origin": APP}))
    preflight = anonymous.call("OPTIONS", URL, headers={"origin": APP, **PREFLIGHT})
    assert (preflight.status_code, cross_origin(preflight)) == (401, set())
    assert preflight.headers["Vary"] == "Authorization"


@pytest.fixture
def origins(settings: Any) -> None:
    settings.CORS_ORIGINS = frozenset({APP})


def test_a_named_origin_may_read_the_answer_and_its_headers(origins: None, alice: Caller) -> None:
    for answer in (alice.get(URL, headers={"origin": APP}), alice.get("/v1/nothing", headers={"origin": APP})):
        assert answer.headers["Access-Control-Allow-Origin"] == APP
        assert {"ETag", "Retry-After", "Link"} <= set(answer.headers["Access-Control-Expose-Headers"].split(", "))
        assert "Origin" in answer.headers["Vary"].split(", ")
        assert "Access-Control-Allow-Credentials" not in answer.headers


def test_a_named_origin_may_ask_before_it_calls(origins: None, anonymous: Caller) -> None:
    answer = anonymous.call("OPTIONS", f"{URL}/x", headers={"origin": APP, **PREFLIGHT})
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["Access-Control-Allow-Origin"] == APP
    assert {"POST", "PATCH", "DELETE"} <= set(answer.headers["Access-Control-Allow-Methods"].split(", "))
    assert {"Authorization", "If-Match"} <= set(answer.headers["Access-Control-Allow-Headers"].split(", "))


@pytest.mark.parametrize("origin", [OTHER, "null", f"{APP}.evil.example", f"{APP}:8443", "http://app.example.org", ""])
def test_another_origin_gets_nothing(origins: None, alice: Caller, anonymous: Caller, origin: str) -> None:
    for answer in (
        alice.get(URL, headers={"origin": origin}),
        anonymous.call("OPTIONS", URL, headers={"origin": origin, **PREFLIGHT}),
    ):
        assert not cross_origin(answer)
        assert "Origin" in answer.headers["Vary"]


def test_pages_and_other_paths_are_never_open(origins: None, alice: Caller) -> None:
    for path in ("/admin/", "/livez", "/oidc/callback/"):
        assert not cross_origin(alice.get(path, headers={"origin": APP}))
