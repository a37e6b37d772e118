"""Every way to knock at the API with a token, and the answer of RFC 6750."""

import time
from typing import Any

import pytest
from django.db import DatabaseError
from django.test import Client

from accounts import denials, sightings
from accounts.access import ACCESS
from accounts.keys import KEYS
from accounts.models import Denial, Role, User
from accounts.tokens import LEEWAY
from tests.accounts.keycloak import ALICE, In, Jwks, Key, Mint

pytestmark = pytest.mark.django_db
URL = "/v1/me"


def get(client: Client, token: str | None, **headers: str) -> Any:
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    return client.get(URL, headers=headers)


def challenge(answer: Any) -> str:
    return str(answer.headers["WWW-Authenticate"])


def test_me_tells_who_is_calling_and_what_he_may(client: Client, mint: Mint) -> None:
    answer = get(client, mint.access())
    assert answer.status_code == 200
    assert answer.json() == {
        "id": ALICE,
        "username": "alice",
        "email": "alice@example.com",
        "roles": ["user"],
        "permissions": ["tasks:delete", "tasks:read", "tasks:write"],
        "limits": answer.json()["limits"],
    }
    assert set(answer.json()["limits"]) == {"user", "ip", "task"}


def test_without_a_token_there_is_no_error_code(client: Client, mint: Mint) -> None:
    for headers in ({}, {"authorization": "Basic YTpi"}, {"authorization": "bearerish x"}):
        answer = get(client, None, **headers)
        assert (answer.status_code, answer.headers["Content-Type"]) == (401, "application/problem+json")
        assert challenge(answer) == 'Bearer realm="taskmill"'


@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "Bearer a b", "Bearer a,Bearer b", "Bearer t\xfcken"])
def test_a_malformed_header_is_an_invalid_request(client: Client, mint: Mint, header: str) -> None:
    answer = get(client, None, authorization=header)
    assert answer.status_code == 400
    assert 'error="invalid_request"' in challenge(answer)


def test_a_bad_token_is_an_invalid_token(client: Client, mint: Mint) -> None:
    answer = get(client, mint.access(exp=In(-60)))
    assert answer.status_code == 401
    assert challenge(answer).startswith('Bearer realm="taskmill", error="invalid_token", error_description="')
    assert "expired" in answer.json()["detail"]


def test_the_scheme_is_taken_in_any_case(client: Client, mint: Mint) -> None:
    assert get(client, None, authorization=f"bEARER {mint.access()}").status_code == 200


def test_an_unknown_key_is_401_and_no_key_at_all_is_503(client: Client, mint: Mint, jwks: Jwks, other_key: Key) -> None:
    jwks.status = 500
    down = get(client, mint.access())
    assert (down.status_code, down.headers["Retry-After"]) == (503, "5")
    jwks.status = 200
    KEYS.forget()
    assert get(client, mint.access(key=other_key)).status_code == 401


def test_keycloak_down_does_not_matter_with_known_keys(client: Client, mint: Mint, jwks: Jwks) -> None:
    assert get(client, mint.access()).status_code == 200
    jwks.stop()
    assert get(client, mint.access(sub="another")).status_code == 200


def test_a_remembered_token_still_expires(client: Client, mint: Mint) -> None:
    token = mint.access(exp=In(2 - LEEWAY))
    assert get(client, token).status_code == 200
    time.sleep(2.1)
    assert get(client, token).status_code == 401


def test_a_remembered_token_falls_with_its_key(client: Client, mint: Mint, jwks: Jwks, other_key: Key) -> None:
    token = mint.access()
    assert get(client, token).status_code == 200
    jwks.keys[:] = [other_key]
    KEYS.forget()
    assert get(client, token).status_code == 401


def test_somebody_without_a_role_may_ask_who_he_is(client: Client, mint: Mint) -> None:
    answer = get(client, mint.access(realm_access=...))
    assert (answer.status_code, answer.json()["permissions"]) == (200, [])


def test_an_admins_name_and_address_with_another_sub_is_another_principal(client: Client, mint: Mint) -> None:
    get(client, mint.access(sub="one", realm_access={"roles": ["admin"]}))
    answer = get(client, mint.access(sub="two", realm_access=...))
    assert (answer.json()["id"], answer.json()["permissions"]) == ("two", [])
    assert User.objects.filter(pk__in=["one", "two"]).count() == 2


def test_a_user_is_written_down_on_first_sight_with_his_roles(client: Client, mint: Mint) -> None:
    get(client, mint.access())
    user = User.objects.get(pk=ALICE)
    assert (user.username, user.email, user.is_staff) == ("alice", "alice@example.com", False)
    assert [group.name for group in user.groups.all()] == ["user"]


def test_a_changed_name_or_role_is_written_down_at_once(client: Client, mint: Mint) -> None:
    get(client, mint.access())
    get(client, mint.access(preferred_username="alicia", realm_access={"roles": ["viewer"]}))
    user = User.objects.get(pk=ALICE)
    assert (user.username, [group.name for group in user.groups.all()]) == ("alicia", ["viewer"])


def test_a_lost_role_takes_staff_rights_away_and_a_call_never_gives_them(client: Client, mint: Mint) -> None:
    get(client, mint.access(realm_access={"roles": ["admin"]}))
    assert User.objects.get(pk=ALICE).is_staff is False
    User.objects.filter(pk=ALICE).update(is_staff=True, is_superuser=True)
    get(client, mint.access())
    user = User.objects.get(pk=ALICE)
    assert (user.is_staff, user.is_superuser) == (False, False)


def test_a_user_is_not_written_at_every_call(client: Client, mint: Mint, django_assert_num_queries: Any) -> None:
    get(client, mint.access())
    with django_assert_num_queries(0):
        assert get(client, mint.access()).status_code == 200


def test_a_failing_write_of_the_user_fails_no_call(client: Client, mint: Mint, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[object] = []

    def fail(principal: object) -> None:
        tries.append(principal)
        raise DatabaseError("the primary is down")

    monkeypatch.setattr(sightings, "write", fail)
    assert [get(client, mint.access(sub=f"u{n}")).status_code for n in range(3)] == [200, 200, 200]
    assert len(tries) == 1


def test_a_denied_session_is_refused_and_the_others_go_on(client: Client, mint: Mint) -> None:
    denials.deny_session(ALICE, "lost-phone")
    refused = get(client, mint.access(sid="lost-phone"))
    assert (refused.status_code, get(client, mint.access(sid="laptop")).status_code) == (401, 200)
    assert 'error="invalid_token"' in challenge(refused)
    assert get(client, mint.access(sub="bob", sid="lost-phone")).status_code == 200


def test_a_denied_subject_gets_in_again_with_a_later_token(client: Client, mint: Mint) -> None:
    now = int(time.time())
    denials.deny_subject("dora", now)
    for session in ("a", "b", ...):
        assert get(client, mint.access(sub="dora", sid=session, iat=now)).status_code == 401
    assert get(client, mint.access(sub="dora", iat=now + 1)).status_code == 200
    assert get(client, mint.access(sub="bob", iat=now)).status_code == 200


def test_an_older_event_does_not_shorten_a_newer_denial(client: Client, mint: Mint) -> None:
    now = int(time.time())
    denials.deny_subject("emil", now)
    denials.deny_subject("emil", now - 100)
    assert get(client, mint.access(sub="emil", iat=now - 1)).status_code == 401
    assert Denial.objects.get(subject="emil").issued_before == now


@pytest.mark.django_db(transaction=True)
def test_everybody_can_be_denied(client: Client, mint: Mint) -> None:
    now = int(time.time())
    denials.deny_everybody(now)
    ACCESS.forget()
    assert get(client, mint.access(iat=now)).status_code == 401
    assert get(client, mint.access(iat=now + 1)).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_without_redis_the_copy_in_postgresql_refuses(client: Client, mint: Mint, redis_down: None) -> None:
    now = int(time.time())
    denials.deny_session("frida", "lost-phone")
    denials.deny_subject("gerd", now)
    assert get(client, mint.access(sub="frida", sid="lost-phone")).status_code == 401
    assert get(client, mint.access(sub="frida", sid="laptop")).status_code == 200
    assert get(client, mint.access(sub="gerd", iat=now)).status_code == 401
    assert get(client, mint.access(sub="gerd", iat=now + 1)).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_an_edit_of_the_matrix_counts_for_a_remembered_token(client: Client, mint: Mint) -> None:
    token = mint.access()
    assert "tasks:write" in get(client, token).json()["permissions"]
    Role.objects.get(name="user").permissions.clear()
    age = 10
    ACCESS._loaded_at -= age
    ACCESS._next_try -= age
    assert get(client, token).json()["permissions"] == []


@pytest.mark.django_db(transaction=True)
def test_a_role_that_was_made_here_counts(client: Client, mint: Mint) -> None:
    token = mint.access(realm_access={"roles": ["auditor"]})
    assert get(client, token).json()["roles"] == []
    role = Role.objects.create(name="auditor")
    role.permissions.set(Role.objects.get(name="viewer").permissions.all())
    ACCESS.forget()
    assert get(client, token).json()["permissions"] == ["tasks:read"]


def test_an_address_that_keeps_trying_is_limited(client: Client, mint: Mint, settings: Any) -> None:
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "ip": type(settings.RATE_LIMITS["ip"])(3, 60)}
    tries = [client.get(URL, REMOTE_ADDR="10.9.8.7", headers={"x-forwarded-for": f"10.0.0.{n}"}) for n in range(4)]
    assert [answer.status_code for answer in tries] == [401, 401, 401, 429]
    assert int(tries[-1].headers["Retry-After"]) > 0
