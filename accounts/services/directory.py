"""Users and their roles, written through to Keycloak, where they live. Our rows follow.

Each function runs in the caller's transaction (`config.api.idempotency.perform`). Whoever loses something by it
loses it at once: Keycloak itself would leave his token working until it expires (accounts.denials).
"""

import re
from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import Group
from django.db import connection

from accounts import access, denials
from accounts.keycloak_admin import KeycloakAdmin, KeycloakRefused, KeycloakUnavailable
from accounts.models import User
from accounts.roles import Matrix
from config.api.problems import Problem, unavailable

_ID = re.compile(r"^[A-Za-z0-9_-]{1,64}$")  # goes into a path of Keycloak's
_NOT_FOUND = 404
_OVERSEES = "users:admin"


@dataclass(frozen=True, slots=True)
class Profile:
    """A user as oversight shows him. `roles` are as his last token, or a change made here, said."""

    id: str
    username: str
    email: str
    roles: frozenset[str]
    enabled: bool
    last_seen_at: datetime | None

    @classmethod
    def of(cls, user: User) -> "Profile":
        roles = frozenset(group.name for group in user.groups.all())
        return cls(user.pk, user.username, user.email, roles, user.is_active, user.last_seen_at)


def find(user_id: str) -> Profile:
    """The user; one who has not called yet is looked up in Keycloak and not kept. Raises Problem 404, 503."""
    known = User.objects.prefetch_related("groups").filter(pk=user_id).first() if user_id.isprintable() else None
    if known is not None:
        return Profile.of(known)
    with _keycloak() as keycloak:
        person = _person(keycloak, user_id)
        roles = frozenset(_held(keycloak, user_id)) & _matrix().keys()
        return Profile(person["id"], person["username"], person.get("email") or "", roles, person["enabled"], None)


def set_roles(user_id: str, wanted: Set[str]) -> Profile:
    """Give and take realm roles until the user has exactly `wanted` of the roles that are known here."""
    matrix = _matrix()
    _check_known(wanted, matrix)
    with _keycloak() as keycloak, _one_at_a_time():
        person = _person(keycloak, user_id)
        held = _held(keycloak, user_id)
        given, taken = wanted - held.keys(), (held.keys() & matrix.keys()) - wanted
        if _oversees(held.keys(), matrix) and not _oversees(wanted, matrix):
            _check_not_last(keycloak, user_id, matrix)
        if given:
            keycloak.post(f"users/{user_id}/role-mappings/realm", [_role(keycloak, name) for name in sorted(given)])
        if taken:
            keycloak.delete(f"users/{user_id}/role-mappings/realm", [held[name] for name in sorted(taken)])
            denials.deny_subject(user_id)
    return _keep(person, roles=wanted)


def set_enabled(user_id: str, enabled: bool) -> Profile:
    """Lock a user out, or let him in again with new tokens."""
    with _keycloak() as keycloak, _one_at_a_time():
        person = _person(keycloak, user_id)
        if not enabled:
            matrix = _matrix()
            if _oversees(_held(keycloak, user_id).keys(), matrix):
                _check_not_last(keycloak, user_id, matrix)
        keycloak.put(f"users/{user_id}", {"enabled": enabled})
        if not enabled:
            _end_sessions(keycloak, user_id)
    return _keep({**person, "enabled": enabled})


def sign_out(user_id: str) -> None:
    """End all of a user's sessions, here and in Keycloak."""
    with _keycloak() as keycloak:
        _person(keycloak, user_id)
        _end_sessions(keycloak, user_id)


def _end_sessions(keycloak: KeycloakAdmin, user_id: str) -> None:
    keycloak.post(f"users/{user_id}/logout")
    denials.deny_subject(user_id)


def _check_known(wanted: Set[str], matrix: Matrix) -> None:
    unknown = sorted(wanted - matrix.keys())
    if unknown:
        detail = f"There is no role {', '.join(unknown)}. Known: {', '.join(sorted(matrix))}."
        raise Problem("invalid-body", errors=[{"pointer": "#/roles", "code": "unknown_role", "detail": detail}])


def _oversees(roles: Set[str], matrix: Matrix) -> bool:
    return any(_OVERSEES in matrix.get(role, ()) for role in roles)


def _check_not_last(keycloak: KeycloakAdmin, user_id: str, matrix: Matrix) -> None:
    """Somebody else must be left who can manage users, or nobody could repair it from here."""
    for role in (name for name, held in matrix.items() if _OVERSEES in held):
        if any(other["id"] != user_id and other.get("enabled") for other in _members(keycloak, role)):
            return
    raise Problem("conflict", "This is the last admin: make another one first.")


def _members(keycloak: KeycloakAdmin, role: str) -> list[dict[str, Any]]:
    try:
        return list(keycloak.get(f"roles/{role}/users", first=0, max=200))
    except KeycloakRefused as error:
        if error.status == _NOT_FOUND:
            return []  # a role that only we know
        raise


def _role(keycloak: KeycloakAdmin, name: str) -> Any:
    try:
        return keycloak.get(f"roles/{name}")
    except KeycloakRefused as error:
        if error.status != _NOT_FOUND:
            raise
        detail = f"Keycloak's realm has no role {name}: add it there first."
        raise Problem(
            "invalid-body", errors=[{"pointer": "#/roles", "code": "unknown_role", "detail": detail}]
        ) from error


def _person(keycloak: KeycloakAdmin, user_id: str) -> dict[str, Any]:
    try:
        if _ID.match(user_id):
            return dict(keycloak.get(f"users/{user_id}"))
    except KeycloakRefused as error:
        if error.status != _NOT_FOUND:
            raise
    raise Problem("not-found", "There is no such user.")


def _held(keycloak: KeycloakAdmin, user_id: str) -> dict[str, Any]:
    """The user's realm roles by name."""
    return {role["name"]: role for role in keycloak.get(f"users/{user_id}/role-mappings/realm")}


def _keep(person: Mapping[str, Any], roles: Set[str] | None = None) -> Profile:
    """Our row follows, so that the next look at it shows what was done."""
    said = {"username": person["username"], "email": person.get("email") or "", "is_active": person["enabled"]}
    user, created = User.objects.using("default").get_or_create(pk=person["id"], defaults=said)
    if not created:
        User.objects.filter(pk=user.pk).update(**said)
    if roles is not None:
        user.groups.set(Group.objects.using("default").filter(name__in=roles))
    return Profile.of(User.objects.using("default").get(pk=user.pk))


def _matrix() -> Matrix:
    known = access.ACCESS.get()
    if known is None:
        raise unavailable("The role matrix is not known yet.", 3)
    return known.matrix


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Two admins who remove each other must not both find the other one left."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('accounts.directory', 0))")
    yield


@contextmanager
def _keycloak() -> Iterator[KeycloakAdmin]:
    try:
        yield KeycloakAdmin()
    except (KeycloakUnavailable, KeycloakRefused) as error:
        raise unavailable(
            "Keycloak does not answer, so nothing is sure to have changed. Repeat the call.", 5
        ) from error
    except denials.NotWritten as error:
        raise unavailable("The denial could not be written. Repeat the call.", 5) from error
