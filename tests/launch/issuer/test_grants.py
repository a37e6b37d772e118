"""Passwords, client secrets and refresh tokens at the token endpoint."""

import threading
from pathlib import Path

import pytest

from config.launch.issuer import realm
from config.launch.issuer.sessions import Sessions
from config.launch.issuer.store import Store
from tests.launch.issuer.browser import ALICE, Api, claims
from tests.launch.issuer.conftest import REALM


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({"client_id": "taskmill-cli", "username": "alice", "password": "wrong"}, 400, "invalid_grant"),
        ({"client_id": "taskmill-cli", "username": "unknown", "password": "demo"}, 400, "invalid_grant"),
        ({"client_id": "taskmill-web", "username": "alice", "password": "demo"}, 400, "unauthorized_client"),
        ({"client_id": "unknown", "username": "alice", "password": "demo"}, 401, "invalid_client"),
        ({"client_id": "taskmill-cli", "username": "alice", "password": "demo", "scope": "all"}, 400, "invalid_scope"),
    ],
)
def test_password_is_refused(issuer: Api, form: dict[str, str], status: int, error: str) -> None:
    answer = issuer.token("password", **form)
    assert (answer.status_code, answer.json()["error"]) == (status, error)


def test_many_wrong_passwords_lock_nobody_out(issuer: Api) -> None:
    for _ in range(30):
        issuer.token("password", client_id="taskmill-cli", username="alice", password="wrong")
    assert claims(issuer.password("alice")["access_token"])["sub"] == ALICE


def test_client_secret_is_taken_from_basic_too(issuer: Api) -> None:
    answer = issuer.post(
        f"{issuer.oidc}/token", data={"grant_type": "client_credentials"}, auth=("taskmill-service", "service-secret")
    )
    assert claims(answer.json()["access_token"])["azp"] == "taskmill-service"


@pytest.mark.parametrize("client", ["taskmill-web", "taskmill-cli"])
def test_public_clients_have_no_service_account(issuer: Api, client: str) -> None:
    answer = issuer.token("client_credentials", client_id=client)
    assert (answer.status_code, answer.json()["error"]) == (401, "unauthorized_client")


def test_refresh_gives_new_tokens_of_the_same_session(issuer: Api) -> None:
    first = issuer.password("alice")
    second = issuer.refresh(first).json()
    assert claims(second["access_token"])["sid"] == claims(first["access_token"])["sid"]
    assert second["access_token"] != first["access_token"]
    assert claims(second["id_token"])["sub"] == ALICE


def test_second_use_of_a_refresh_token_kills_the_newest_one_too(issuer: Api) -> None:
    first = issuer.password("alice")
    second = issuer.refresh(first).json()
    assert issuer.refresh(first).status_code == 400
    answer = issuer.refresh(second)
    assert (answer.status_code, answer.json()["error_description"]) == (400, "Session not active")
    assert issuer.userinfo(second).status_code == 401


def test_refresh_token_is_taken_before_the_next_one_is_made(state: Path, environment: dict[str, str]) -> None:
    sessions = Sessions(realm.read(REALM, environment), Store(state))
    sid = sessions.start(ALICE).sid
    sessions.use(sid, "taskmill-cli", "first")
    assert [sessions.claim(sid, "taskmill-cli", "first") for _ in range(2)] == [True, False]


def test_of_parallel_refreshes_one_wins(issuer: Api) -> None:
    first, answers = issuer.password("alice"), []
    callers = [threading.Thread(target=lambda: answers.append(issuer.refresh(first).status_code)) for _ in range(8)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert sorted(answers) == [200, *[400] * 7]


def test_refresh_token_of_another_client_is_refused(issuer: Api) -> None:
    assert issuer.refresh(issuer.password("alice"), "taskmill-web").status_code == 400


def test_access_token_is_no_refresh_token(issuer: Api) -> None:
    tokens = issuer.password("alice")
    assert issuer.refresh({"refresh_token": tokens["access_token"]}).status_code == 400


def test_repeated_parameter_is_refused(issuer: Api) -> None:
    body = "grant_type=password&grant_type=client_credentials&client_id=taskmill-cli"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = issuer.post(f"{issuer.oidc}/token", content=body, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
