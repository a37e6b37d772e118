"""Oversight of users, written through to Keycloak (each test on the development issuer and on the real one)."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from tests.accounts.issuers import Live, Somebody

pytestmark = pytest.mark.django_db(transaction=True)  # writes are durable transactions
USERS = "/v1/users"


class Caller:
    def __init__(self, token: str) -> None:
        self._client, self._headers = Client(), {"authorization": f"Bearer {token}"}

    def get(self, path: str, **query: Any) -> Any:
        return self._client.get(path, query, headers=self._headers)

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        data = "" if body is None else json.dumps(body)
        everything = {**self._headers, **headers}
        return self._client.generic(method, path, data, content_type="application/json", headers=everything)


@pytest.fixture
def ada(live: Live) -> Caller:
    return Caller(live.token("ada"))


@pytest.fixture
def somebody(live: Live) -> Iterator[Somebody]:
    with live.somebody("user") as user:
        yield user


@pytest.mark.parametrize("username", ["alice", "vera", "nobody"])
def test_others_may_not_look_or_touch(live: Live, username: str) -> None:
    caller = Caller(live.token(username))
    calls = [
        caller.get(USERS),
        caller.get(f"{USERS}/x"),
        caller.send("PATCH", f"{USERS}/x", {"enabled": False}),
        caller.send("PUT", f"{USERS}/x/roles", {"roles": []}),
        caller.send("POST", f"{USERS}/x/sign-out"),
    ]
    assert [answer.status_code for answer in calls] == [403] * 5
    assert 'error="insufficient_scope", scope="users:admin"' in calls[0].headers["WWW-Authenticate"]


def test_users_are_listed_by_keyset(ada: Caller) -> None:
    User.objects.bulk_create([User(id=f"u{n:02}", username=f"name{n}") for n in range(7)])
    seen: list[str] = []
    cursor = None
    while cursor is not None or not seen:
        answer = ada.get(USERS, page_size=3, **({"cursor": cursor} if cursor else {}))
        page = answer.json()
        seen += [user["id"] for user in page["results"]]
        cursor = page["next_cursor"]
    assert seen == sorted(seen)
    assert set(seen) >= {f"u{n:02}" for n in range(7)}
    assert len(set(seen)) == len(seen) == User.objects.count()


def test_users_are_found_by_name_and_role(ada: Caller, live: Live) -> None:
    Caller(live.token("vera")).get("/v1/me")
    assert [user["username"] for user in ada.get(USERS, username="vera").json()["results"]] == ["vera"]
    assert [user["username"] for user in ada.get(USERS, role="viewer").json()["results"]] == ["vera"]
    assert ada.get(USERS, user="vera").status_code == 400


def test_an_empty_cursor_is_no_cursor_of_this_list(ada: Caller) -> None:
    answer = ada.get(USERS, cursor="")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["parameter"] == "cursor"


def test_a_user_is_shown_as_he_was_last_seen(ada: Caller, somebody: Somebody) -> None:
    before = ada.get(f"{USERS}/{somebody.id}").json()
    assert before == {
        "id": somebody.id,
        "username": somebody.name,
        "email": f"{somebody.name}@example.com",
        "roles": ["user"],
        "enabled": True,
        "last_seen_at": None,
    }
    Caller(somebody.token()).get("/v1/me")
    after = ada.get(f"{USERS}/{somebody.id}").json()
    assert after["last_seen_at"].endswith("Z")
    assert {**after, "last_seen_at": None} == before


@pytest.mark.parametrize("user_id", ["unknown", "00000000-0000-4000-8000-00000000ffff", "a b", "..", "%2e%2e", "a%00b"])
def test_an_unknown_user_is_not_found(ada: Caller, user_id: str) -> None:
    assert ada.get(f"{USERS}/{user_id}").status_code == 404
    assert ada.send("PATCH", f"{USERS}/{user_id}", {"enabled": False}).status_code == 404


def test_a_role_that_is_taken_counts_at_once(ada: Caller, somebody: Somebody) -> None:
    token = somebody.token()
    assert Caller(token).get("/v1/me").json()["roles"] == ["user"]
    answer = ada.send("PUT", f"{USERS}/{somebody.id}/roles", {"roles": ["viewer"]})
    assert (answer.status_code, answer.json()["roles"]) == (200, ["viewer"])
    assert Caller(token).get("/v1/me").status_code == 401
    time.sleep(1.1)  # tokens know whole seconds
    assert Caller(somebody.token()).get("/v1/me").json()["roles"] == ["viewer"]
    assert ada.get(f"{USERS}/{somebody.id}").json()["roles"] == ["viewer"]


def test_a_given_role_ends_nothing(ada: Caller, somebody: Somebody) -> None:
    token = somebody.token()
    assert ada.send("PUT", f"{USERS}/{somebody.id}/roles", {"roles": ["user", "viewer"]}).status_code == 200
    assert Caller(token).get("/v1/me").status_code == 200


def test_a_user_is_locked_out_at_once_and_let_in_again(ada: Caller, somebody: Somebody) -> None:
    token = somebody.token()
    answer = ada.send("PATCH", f"{USERS}/{somebody.id}", {"enabled": False})
    assert (answer.status_code, answer.json()["enabled"]) == (200, False)
    assert Caller(token).get("/v1/me").status_code == 401
    time.sleep(1.1)
    assert ada.send("PATCH", f"{USERS}/{somebody.id}", {"enabled": True}).json()["enabled"] is True
    assert Caller(somebody.token()).get("/v1/me").status_code == 200


def test_a_user_is_signed_out_everywhere(ada: Caller, somebody: Somebody) -> None:
    tokens = [somebody.token(), somebody.token()]
    answer = ada.send("POST", f"{USERS}/{somebody.id}/sign-out")
    assert (answer.status_code, answer.content) == (204, b"")
    assert [Caller(token).get("/v1/me").status_code for token in tokens] == [401, 401]
    time.sleep(1.1)
    assert Caller(somebody.token()).get("/v1/me").status_code == 200


def test_the_last_admin_stays(ada: Caller) -> None:
    me = ada.get("/v1/me").json()["id"]
    for answer in (
        ada.send("PUT", f"{USERS}/{me}/roles", {"roles": ["user"]}),
        ada.send("PATCH", f"{USERS}/{me}", {"enabled": False}),
    ):
        assert (answer.status_code, answer.json()["detail"]) == (409, "This is the last admin: make another one first.")
    assert ada.get(USERS).status_code == 200


def test_one_of_two_admins_may_go(ada: Caller, somebody: Somebody) -> None:
    assert ada.send("PUT", f"{USERS}/{somebody.id}/roles", {"roles": ["admin"]}).status_code == 200
    assert ada.send("PUT", f"{USERS}/{somebody.id}/roles", {"roles": []}).json()["roles"] == []


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "", {"enabled": "false"}),
        ("PATCH", "", {"enabled": 0}),
        ("PATCH", "", {}),
        ("PATCH", "", []),
        ("PATCH", "", {"enabled": False, "email": "x@example.com"}),
        ("PUT", "/roles", {"roles": "admin"}),
        ("PUT", "/roles", {"roles": [1]}),
        ("PUT", "/roles", {"roles": ["user", "user"]}),
        ("PUT", "/roles", {"roles": ["unknown"]}),
        ("PUT", "/roles", {"roles": ["Admin"]}),
        ("PUT", "/roles", {}),
    ],
)
def test_a_wrong_body_changes_nothing(ada: Caller, somebody: Somebody, method: str, path: str, body: Any) -> None:
    answer = ada.send(method, f"{USERS}/{somebody.id}{path}", body)
    assert (answer.status_code, answer.headers["Content-Type"]) == (400, "application/problem+json")
    assert Caller(somebody.token()).get("/v1/me").json()["roles"] == ["user"]


def test_a_repeated_call_with_its_key_is_answered_once(ada: Caller, somebody: Somebody) -> None:
    path, body = f"{USERS}/{somebody.id}/roles", {"roles": ["viewer"]}
    answers = [ada.send("PUT", path, body, **{"idempotency-key": "k1"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert (answers[0].content, answers[1].headers["Idempotency-Replayed"]) == (answers[1].content, "true")


def test_without_keycloak_nothing_is_said_to_be_done(ada: Caller, settings: Any) -> None:
    assert ada.get("/v1/me").status_code == 200
    settings.OIDC_OP_TOKEN_ENDPOINT = "http://127.0.0.1:1/token"
    answer = ada.send("PATCH", f"{USERS}/u", {"enabled": False})
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")


def test_limits_are_told_and_cost_nothing(ada: Caller) -> None:
    ada.get("/v1/me")
    answers = [ada.get("/v1/me/limits").json() for _ in range(3)]
    assert answers[0] == answers[2]
    assert set(answers[0]) == {"user", "ip", "task"}
    assert answers[0]["user"]["remaining"] == answers[0]["user"]["quota"] - 1
