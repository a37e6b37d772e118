"""The admin API: what it shows, what it changes, and what each change does to tokens."""

import pytest

from tests.launch.issuer.browser import ALICE, Api, claims
from tests.launch.issuer.conftest import Receiver

_PATHS = ["users", "users/count", f"users/{ALICE}", "roles", "admin-events", "events", f"users/{ALICE}/sessions"]


@pytest.mark.parametrize("path", _PATHS)
def test_callers_without_the_role_are_refused(issuer: Api, path: str) -> None:
    for token, status in ((issuer.password("ada")["access_token"], 403), ("none", 401)):
        answer = issuer.get(f"{issuer.admin_url}/{path}", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == status


def test_list_shows_people_by_name_and_no_service_accounts(issuer: Api) -> None:
    names = [user["username"] for user in issuer.admin("GET", "users").json()]
    assert names == ["ada", "alice", "bob", "nobody", "vera"]
    assert issuer.admin("GET", "users/count").json() == 5


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"search": "arch"}, ["alice"]),
        ({"username": "a", "exact": "true"}, []),
        ({"username": "ada", "exact": "true"}, ["ada"]),
        ({"first": "1", "max": "2"}, ["alice", "bob"]),
        ({"enabled": "false"}, []),
    ],
)
def test_list_finds_what_is_asked_for(issuer: Api, query: dict[str, str], names: list[str]) -> None:
    assert [user["username"] for user in issuer.admin("GET", "users", params=query).json()] == names


def test_user_has_the_fields_of_keycloak(issuer: Api) -> None:
    found = issuer.admin("GET", f"users/{ALICE}").json()
    assert (found["id"], found["firstName"], found["enabled"], found["notBefore"]) == (ALICE, "Alice", True, 0)
    assert issuer.admin("GET", "users/unknown").status_code == 404


def test_disabled_user_gets_no_token_and_keeps_the_other_fields(issuer: Api, receiver: Receiver) -> None:
    tokens = issuer.password("alice")
    assert issuer.admin("PUT", f"users/{ALICE}", json={"enabled": False}).status_code == 204
    assert issuer.refresh(tokens).json()["error_description"] == "User disabled"
    assert issuer.userinfo(tokens).status_code == 401
    assert issuer.token("password", client_id="taskmill-cli", username="alice", password="demo").status_code == 400
    assert issuer.admin("GET", f"users/{ALICE}").json()["email"] == "alice@example.com"
    assert receiver.received.empty()


def test_enabled_again_the_old_session_works(issuer: Api) -> None:
    tokens = issuer.password("alice")
    for enabled in (False, True):
        issuer.admin("PUT", f"users/{ALICE}", json={"enabled": enabled})
    assert issuer.refresh(tokens).status_code == 200


def test_deleted_user_is_gone(issuer: Api) -> None:
    tokens = issuer.password("alice")
    assert issuer.admin("DELETE", f"users/{ALICE}").status_code == 204
    assert issuer.refresh(tokens).json()["error_description"] == "Session not active"
    assert issuer.admin("GET", f"users/{ALICE}").status_code == 404


def test_new_password_replaces_the_old_one(issuer: Api) -> None:
    body = {"type": "password", "value": "another", "temporary": False}
    assert issuer.admin("PUT", f"users/{ALICE}/reset-password", json=body).status_code == 204
    assert claims(issuer.password("alice", password="another")["access_token"])["sub"] == ALICE
    assert issuer.token("password", client_id="taskmill-cli", username="alice", password="demo").status_code == 400


def test_logout_of_a_user_ends_all_sessions_and_tells_each_client(issuer: Api, receiver: Receiver) -> None:
    first, second = issuer.password("alice"), issuer.log_in("alice")
    assert issuer.admin("POST", f"users/{ALICE}/logout").status_code == 204
    assert {receiver.received.get(timeout=5)[0] for _ in range(2)} == {"/oidc/backchannel-logout"}
    assert [issuer.refresh(first).status_code, issuer.refresh(second, "taskmill-web").status_code] == [400, 400]
    assert issuer.admin("GET", f"users/{ALICE}").json()["notBefore"] > 0


def test_one_session_can_be_ended_alone(issuer: Api, receiver: Receiver) -> None:
    first, second = issuer.password("alice"), issuer.password("alice")
    sids = [session["id"] for session in issuer.admin("GET", f"users/{ALICE}/sessions").json()]
    assert sorted(sids) == sorted(claims(tokens["access_token"])["sid"] for tokens in (first, second))
    gone = claims(first["access_token"])["sid"]
    assert issuer.admin("DELETE", f"sessions/{gone}").status_code == 204
    assert [issuer.refresh(first).status_code, issuer.refresh(second).status_code] == [400, 200]
    assert receiver.received.qsize() == 1


def test_roles_given_and_taken_come_with_the_next_refresh(issuer: Api) -> None:
    tokens, path = issuer.password("alice"), f"users/{ALICE}/role-mappings/realm"
    roles = {role["name"]: role for role in issuer.admin("GET", "roles").json()}
    assert issuer.admin("POST", path, json=[roles["admin"]]).status_code == 204
    assert issuer.admin("DELETE", path, json=[roles["user"]]).status_code == 204
    assert [role["name"] for role in issuer.admin("GET", path).json()] == ["admin"]
    assert claims(issuer.refresh(tokens).json()["access_token"])["realm_access"] == {"roles": ["admin"]}
    assert {user["username"] for user in issuer.admin("GET", "roles/admin/users").json()} == {"ada", "alice"}


def test_role_without_its_id_is_not_found(issuer: Api) -> None:
    answer = issuer.admin("POST", f"users/{ALICE}/role-mappings/realm", json=[{"name": "admin"}])
    assert (answer.status_code, answer.json()["error"]) == (404, "Role not found")


def test_each_change_leaves_an_admin_event(issuer: Api) -> None:
    role = issuer.admin("GET", "roles/admin").json()
    issuer.admin("PUT", f"users/{ALICE}", json={"enabled": False})
    issuer.admin("POST", f"users/{ALICE}/role-mappings/realm", json=[role])
    issuer.admin("DELETE", f"users/{ALICE}/role-mappings/realm", json=[role])
    issuer.admin("POST", f"users/{ALICE}/logout")
    events = issuer.admin("GET", "admin-events", params={"direction": "asc", "dateFrom": "0"}).json()
    assert [(event["operationType"], event["resourceType"], event["resourcePath"]) for event in events] == [
        ("UPDATE", "USER", f"users/{ALICE}"),
        ("CREATE", "REALM_ROLE_MAPPING", f"users/{ALICE}/role-mappings/realm"),
        ("DELETE", "REALM_ROLE_MAPPING", f"users/{ALICE}/role-mappings/realm"),
        ("ACTION", "USER", f"users/{ALICE}/logout"),
    ]
    assert len({event["id"] for event in events}) == 4


def test_events_are_found_by_time_and_kind(issuer: Api) -> None:
    issuer.admin("PUT", f"users/{ALICE}", json={"enabled": False})
    [event] = issuer.admin("GET", "admin-events").json()
    later = {"dateFrom": str(event["time"] + 1)}
    assert issuer.admin("GET", "admin-events", params=later).json() == []
    assert issuer.admin("GET", "admin-events", params={"resourceTypes": ["CLIENT"]}).json() == []
    assert issuer.admin("GET", "admin-events", params={"resourceTypes": ["CLIENT", "USER"]}).json() == [event]


@pytest.mark.parametrize("body", ["no json", '"text"', "[1]"])
def test_body_that_makes_no_sense_is_400(issuer: Api, body: str) -> None:
    assert issuer.admin("PUT", f"users/{ALICE}", content=body).status_code == 400
