"""What is changed in Keycloak's own console ends access here, though Keycloak tells nobody."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts import denials, keycloak_events
from accounts.keycloak_admin import KeycloakAdmin, KeycloakUnavailable
from accounts.models import Denial
from accounts.watcher import Watcher
from config.cache import redis
from tests.accounts.issuers import Live, Somebody

pytestmark = pytest.mark.django_db


@pytest.fixture
def watcher(live: Live) -> Watcher:
    return Watcher(KeycloakAdmin())


def me(client: Client, token: str) -> int:
    return client.get("/v1/me", headers={"authorization": f"Bearer {token}"}).status_code


def wait_a_second() -> None:
    """Tokens know whole seconds: one of the same second as a denial is refused, too."""
    time.sleep(1.1)


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
def test_a_change_in_the_console_ends_access(
    client: Client, live: Live, watcher: Watcher, change: Callable[[Somebody], None]
) -> None:
    with live.somebody("user") as somebody:
        token, others = somebody.token(), live.token("bob")
        watcher.poll()
        assert me(client, token) == 200
        change(somebody)
        assert watcher.poll() == 1
        assert (me(client, token), me(client, others)) == (401, 200)


def test_a_user_who_is_enabled_again_gets_in_with_a_new_token(client: Client, live: Live, watcher: Watcher) -> None:
    with live.somebody("user") as somebody:
        old = somebody.token()
        somebody.enable(False)
        watcher.poll()
        somebody.enable(True)
        wait_a_second()
        watcher.poll()
        assert (me(client, old), me(client, somebody.token())) == (401, 200)


def test_a_role_that_is_given_or_an_edited_name_ends_nothing(client: Client, live: Live, watcher: Watcher) -> None:
    with live.somebody("user") as somebody:
        token = somebody.token()
        watcher.poll()
        somebody.give("viewer")
        somebody.keycloak.put(f"users/{somebody.id}", {"firstName": "New"})
        assert watcher.poll() == 0
        assert me(client, token) == 200


def test_an_event_counts_once_though_it_is_read_again(live: Live, watcher: Watcher) -> None:
    with live.somebody("user") as somebody:
        watcher.poll()
        somebody.take("user")
        assert [watcher.poll(), watcher.poll()] == [1, 0]


def test_a_new_watcher_catches_up_with_what_happened_before(client: Client, live: Live) -> None:
    with live.somebody("user") as somebody:
        token = somebody.token()
        somebody.enable(False)
        assert Watcher(KeycloakAdmin()).poll() >= 1
        assert me(client, token) == 401


def test_more_events_than_a_page_holds_are_all_read(live: Live, watcher: Watcher) -> None:
    with live.somebody("user") as busy, live.somebody("user") as last:
        watcher.poll()
        for _ in range(51):
            busy.give("viewer")
            busy.take("viewer")
        last.take("user")
        assert watcher.poll() == 2
        assert Denial.objects.filter(subject__in=[busy.id, last.id]).count() == 2


def test_a_dead_keycloak_is_told_apart_and_loses_no_event(
    client: Client, live: Live, watcher: Watcher, settings: Any
) -> None:
    with live.somebody("user") as somebody:
        token = somebody.token()
        watcher.poll()
        somebody.enable(False)
        alive, watcher._keycloak._base = watcher._keycloak._base, "http://127.0.0.1:1/admin/realms/taskmill"
        with pytest.raises(KeycloakUnavailable):
            watcher.poll()
        watcher._keycloak._base = alive
        assert watcher.poll() == 1
        assert me(client, token) == 401


def test_a_redis_that_lost_everything_gets_the_denials_back(client: Client, live: Live, watcher: Watcher) -> None:
    token = live.token("bob")
    subject = "00000000-0000-4000-8000-000000000002"
    denials.deny_subject(subject)
    watcher.publish()
    redis.call("FLUSHDB")
    assert me(client, token) == 200
    watcher.publish()
    assert me(client, token) == 401


def test_an_old_denial_that_a_full_redis_threw_away_comes_back(
    client: Client, live: Live, watcher: Watcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = live.token("bob")
    subject = "00000000-0000-4000-8000-000000000002"
    denials.deny_subject(subject)
    Denial.objects.update(written_at=timezone.now() - timedelta(minutes=5))
    watcher.publish()
    redis.call("DEL", f"tm:{{{subject}}}:denied")
    monkeypatch.setattr("accounts.watcher.time.monotonic", lambda now=time.monotonic: now() + 31)
    watcher.publish()
    assert me(client, token) == 401


def test_a_denial_that_missed_redis_is_published_soon(
    client: Client, live: Live, watcher: Watcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    watcher.publish()
    token = live.token("bob")
    redis._breaker._closed.clear()
    try:
        denials.deny_subject("00000000-0000-4000-8000-000000000002")
    finally:
        redis._breaker._closed.set()
    watcher.publish()
    assert me(client, token) == 401


def test_expired_denials_are_forgotten() -> None:
    denials.deny_subject("old")
    denials.deny_subject("new")
    Denial.objects.filter(subject="old").update(expires_at="2020-01-01T00:00:00Z")
    assert denials.forget_expired() == 1
    assert list(Denial.objects.values_list("subject", flat=True)) == ["new"]


AT = 1_795_492_416_789


@pytest.mark.parametrize(
    ("operation", "resource", "path", "ends"),
    [
        ("DELETE", "USER", "users/u", "subject"),
        ("UPDATE", "USER", "users/u", "if-disabled"),
        ("CREATE", "USER", "users/u", None),
        ("ACTION", "USER", "users/u/logout", "subject"),
        ("ACTION", "USER", "users/u/reset-password", "subject"),
        ("ACTION", "USER", "users/u/execute-actions-email", None),
        ("DELETE", "REALM_ROLE_MAPPING", "users/u/role-mappings/realm", "subject"),
        ("DELETE", "CLIENT_ROLE_MAPPING", "users/u/role-mappings/clients/c", "subject"),
        ("CREATE", "REALM_ROLE_MAPPING", "users/u/role-mappings/realm", None),
        ("DELETE", "GROUP_MEMBERSHIP", "users/u/groups/g", "subject"),
        ("DELETE", "REALM_ROLE_MAPPING", "groups/g/role-mappings/realm", "everybody"),
        ("DELETE", "REALM_ROLE", "roles/user", "everybody"),
        ("UPDATE", "CLIENT", "clients/c", "everybody"),
        ("CREATE", "CLIENT", "clients/c", None),
        ("ACTION", "REALM", "logout-all", "everybody"),
        ("ACTION", "REALM", "push-revocation", "everybody"),
        ("UPDATE", "REALM", None, "everybody"),
        ("DELETE", "USER_SESSION", "sessions/s", "session"),
    ],
)
def test_what_each_admin_event_ends(operation: str, resource: str, path: str | None, ends: str | None) -> None:
    event = {"operationType": operation, "resourceType": resource, "resourcePath": path, "time": AT}
    ending = keycloak_events.of_admin(event)
    assert (ending and ending.ends.value) == ends
    assert ending is None or ending.at == AT // 1000


@pytest.mark.parametrize(
    ("event", "ends"),
    [
        ({"type": "LOGOUT", "userId": "u", "sessionId": "s"}, "session"),
        ({"type": "LOGOUT", "userId": "u"}, None),
        ({"type": "REVOKE_GRANT", "userId": "u", "sessionId": "s"}, "session"),
        ({"type": "DELETE_ACCOUNT", "userId": "u"}, "subject"),
        ({"type": "USER_DISABLED_BY_PERMANENT_LOCKOUT", "userId": "u"}, "subject"),
        ({"type": "USER_DISABLED_BY_TEMPORARY_LOCKOUT", "userId": "u"}, None),
        ({"type": "LOGIN", "userId": "u", "sessionId": "s"}, None),
        ({"type": "DELETE_ACCOUNT"}, None),
    ],
)
def test_what_each_user_event_ends(event: dict[str, Any], ends: str | None) -> None:
    ending = keycloak_events.of_user({**event, "time": AT})
    assert (ending and ending.ends.value) == ends
