"""Ends of sessions and the calls that tell the clients."""

from urllib.parse import parse_qs

import pytest

from tests.launch.issuer.browser import ALICE, SITE, Api, claims, redirected
from tests.launch.issuer.conftest import Receiver


def _told(receiver: Receiver) -> str:
    """The logout token of the next back-channel call."""
    path, body = receiver.received.get(timeout=5)
    assert path == "/oidc/backchannel-logout"
    return parse_qs(body)["logout_token"][0]


def test_logout_posts_a_token_with_subject_and_session(issuer: Api, receiver: Receiver) -> None:
    tokens = issuer.log_in("alice")
    issuer.get(f"{issuer.oidc}/logout", params={"id_token_hint": tokens["id_token"]})
    found = issuer.verified(_told(receiver), "taskmill-web")
    assert found.keys() == {"exp", "iat", "jti", "iss", "aud", "sub", "typ", "sid", "events"}
    assert (found["typ"], found["sub"], found["exp"] - found["iat"]) == ("Logout", ALICE, 120)
    assert found["sid"] == claims(tokens["access_token"])["sid"]
    assert found["events"] == {"http://schemas.openid.net/event/backchannel-logout": {}}


def test_each_client_of_a_session_is_told_once(issuer: Api, receiver: Receiver) -> None:
    tokens = issuer.log_in("alice")
    code = redirected(issuer.authorize(client_id="taskmill-mobile", redirect_uri="taskmill://callback"))["code"]
    issuer.exchange(code, client_id="taskmill-mobile", redirect_uri="taskmill://callback").raise_for_status()
    issuer.get(f"{issuer.oidc}/logout", params={"id_token_hint": tokens["id_token"]})
    assert {claims(_told(receiver))["aud"] for _ in range(2)} == {"taskmill-web", "taskmill-mobile"}
    assert receiver.received.empty()


def test_logout_goes_back_to_the_client(issuer: Api) -> None:
    query = {"id_token_hint": issuer.log_in("alice")["id_token"], "state": "s", "post_logout_redirect_uri": f"{SITE}/x"}
    answer = issuer.get(f"{issuer.oidc}/logout", params=query)
    assert (answer.status_code, answer.headers["Location"]) == (302, f"{SITE}/x?state=s")
    assert issuer.authorize().status_code == 200  # the login page: the browser's session is over


@pytest.mark.parametrize("address", ["http://evil.example/", f"{SITE}.evil.example/", f"{SITE}/../callback"])
def test_logout_never_goes_elsewhere(issuer: Api, address: str) -> None:
    query = {"id_token_hint": issuer.log_in("alice")["id_token"], "post_logout_redirect_uri": address}
    answer = issuer.get(f"{issuer.oidc}/logout", params=query)
    assert (answer.status_code, "Location" in answer.headers) == (400, False)


def test_logout_without_a_hint_asks_first(issuer: Api, receiver: Receiver) -> None:
    tokens = issuer.log_in("alice")
    asked = issuer.get(f"{issuer.oidc}/logout")
    assert "Do you want to sign out?" in asked.text
    assert issuer.userinfo(tokens).status_code == 200
    issuer.post(f"{issuer.oidc}/logout", data={"confirm": "yes"})
    assert claims(_told(receiver))["sub"] == ALICE
    assert issuer.userinfo(tokens).status_code == 401


def test_logout_by_refresh_token(issuer: Api, receiver: Receiver) -> None:
    tokens = issuer.password("alice")
    form = {"client_id": "taskmill-cli", "refresh_token": tokens["refresh_token"]}
    assert issuer.post(f"{issuer.oidc}/logout", data=form).status_code == 204
    assert claims(_told(receiver))["aud"] == "taskmill-cli"
    assert issuer.refresh(tokens).json()["error_description"] == "Session not active"


def test_client_that_answers_an_error_keeps_no_session_alive(issuer: Api, receiver: Receiver) -> None:
    receiver.status = 500
    tokens = issuer.log_in("alice")
    issuer.get(f"{issuer.oidc}/logout", params={"id_token_hint": tokens["id_token"]})
    assert issuer.userinfo(tokens).status_code == 401


def test_revocation_ends_the_session_and_tells_nobody(issuer: Api, receiver: Receiver) -> None:
    tokens = issuer.password("alice")
    form = {"client_id": "taskmill-cli", "token": tokens["refresh_token"]}
    assert issuer.post(f"{issuer.oidc}/revoke", data=form).status_code == 200
    assert issuer.refresh(tokens).status_code == 400
    assert receiver.received.empty()


def test_logouts_are_in_the_events_of_users(issuer: Api) -> None:
    tokens = issuer.log_in("alice")
    issuer.get(f"{issuer.oidc}/logout", params={"id_token_hint": tokens["id_token"]})
    [event] = issuer.admin("GET", "events", params={"type": ["LOGOUT", "REVOKE_GRANT"]}).json()
    assert (event["type"], event["userId"]) == ("LOGOUT", ALICE)
    assert event["sessionId"] == claims(tokens["access_token"])["sid"]
