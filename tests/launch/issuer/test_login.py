"""The authorization code flow with PKCE, step by step, and what is refused on the way."""

from urllib.parse import parse_qs, urlsplit

import pytest

from tests.launch.issuer.browser import CALLBACK, CHALLENGE, Api, claims, redirected


def test_login_brings_the_state_and_the_issuer_back(issuer: Api) -> None:
    answer = issuer.fill_in(issuer.authorize(), "alice")
    found = redirected(answer)
    assert answer.headers["Location"].startswith(f"{CALLBACK}?")
    assert found.keys() == {"state", "session_state", "iss", "code"}
    assert (found["state"], found["iss"]) == ("the-state", issuer.url)


def test_wrong_password_shows_the_form_again_and_says_so(issuer: Api) -> None:
    again = issuer.fill_in(issuer.authorize(), "alice", "wrong")
    assert again.status_code == 200
    assert "Invalid username or password." in again.text
    assert issuer.fill_in(again, "alice").status_code == 302


def test_text_of_a_caller_is_escaped_on_the_page(issuer: Api) -> None:
    again = issuer.fill_in(issuer.authorize(), '"><script>alert(1)</script>')
    assert "<script>" not in again.text


def test_service_accounts_cannot_use_the_page(issuer: Api) -> None:
    again = issuer.fill_in(issuer.authorize(), "service-account-taskmill-service", "")
    assert again.status_code == 200


def test_wrong_verifier_burns_the_code(issuer: Api) -> None:
    code = redirected(issuer.fill_in(issuer.authorize(), "alice"))["code"]
    first = issuer.exchange(code, code_verifier="another-verifier-of-forty-three-characters-12345")
    assert (first.status_code, first.json()["error"]) == (400, "invalid_grant")
    assert first.json()["error_description"] == "PKCE verification failed: Code mismatch"
    assert issuer.exchange(code).json()["error_description"] == "Code not valid"


def test_code_is_good_once(issuer: Api) -> None:
    code = redirected(issuer.fill_in(issuer.authorize(), "alice"))["code"]
    assert issuer.exchange(code).status_code == 200
    assert issuer.exchange(code).json()["error_description"] == "Code not valid"


def test_code_is_bound_to_its_client_and_address(issuer: Api) -> None:
    first = redirected(issuer.fill_in(issuer.authorize(), "alice"))["code"]
    second = redirected(issuer.authorize())["code"]
    assert issuer.exchange(first, client_id="taskmill-mobile").status_code == 400
    assert issuer.exchange(second, redirect_uri=f"{CALLBACK}/other").status_code == 400


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "openid everything"}, "invalid_scope"),
        ({"prompt": "none"}, "login_required"),
    ],
)
def test_refusals_go_back_to_the_client(issuer: Api, changes: dict[str, str | None], error: str) -> None:
    found = redirected(issuer.authorize(**changes))
    assert (found["error"], found["state"]) == (error, "the-state")
    assert "code" not in found


@pytest.mark.parametrize(
    "changes",
    [
        {"redirect_uri": "http://127.0.0.1:8000/callback/../other"},
        {"redirect_uri": "http://evil.example/callback"},
        {"redirect_uri": None},
        {"client_id": "unknown"},
        {"client_id": "taskmill-service"},
        {"client_id": "taskmill-api"},
    ],
)
def test_unknown_clients_and_addresses_are_never_redirected_to(issuer: Api, changes: dict[str, str | None]) -> None:
    answer = issuer.authorize(**changes)
    assert answer.status_code == 400
    assert "Location" not in answer.headers


def test_missing_challenge_is_worded_as_keycloak_words_it(issuer: Api) -> None:
    found = redirected(issuer.authorize(code_challenge=None, code_challenge_method=None))
    assert found["error_description"] == "Missing parameter: code_challenge_method"


def test_second_client_needs_no_second_login_and_shares_the_session(issuer: Api) -> None:
    first = claims(issuer.log_in("alice")["access_token"])["sid"]
    answer = issuer.authorize(client_id="taskmill-mobile", redirect_uri="taskmill://callback")
    assert redirected(answer)["session_state"] == first


def test_prompt_login_asks_again(issuer: Api) -> None:
    issuer.log_in("alice")
    assert issuer.authorize(prompt="login").status_code == 200


def test_fragment_is_used_when_asked_for(issuer: Api) -> None:
    answer = issuer.fill_in(issuer.authorize(response_mode="fragment"), "alice")
    parts = urlsplit(answer.headers["Location"])
    assert (parts.query, "code" in parse_qs(parts.fragment)) == ("", True)


def test_confidential_client_must_give_its_secret(issuer: Api) -> None:
    address = "http://127.0.0.1:8000/oidc/callback/"
    page = issuer.authorize(client_id="taskmill-admin", redirect_uri=address, code_challenge=CHALLENGE)
    code = redirected(issuer.fill_in(page, "ada"))["code"]
    answer = issuer.exchange(code, client_id="taskmill-admin", redirect_uri=address, client_secret="wrong")
    assert (answer.status_code, answer.json()["error"]) == (401, "unauthorized_client")
    good = issuer.exchange(code, client_id="taskmill-admin", redirect_uri=address, client_secret="admin-secret")
    assert claims(good.json()["access_token"])["azp"] == "taskmill-admin"
