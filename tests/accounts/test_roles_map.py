"""Roles: the realm's and our own client's, as far as the matrix knows them; odd claims hold none."""

from typing import Any

import pytest

from accounts import principal, roles

MATRIX = {
    "viewer": frozenset({"tasks:read"}),
    "user": frozenset({"tasks:read", "tasks:write"}),
    "admin": frozenset({"tasks:admin", "users:admin"}),
}


def claims(**more: Any) -> dict[str, Any]:
    return {"sub": "a", "iat": 1, "exp": 2, "azp": "taskmill-web", **more}


def test_realm_and_own_resource_roles_add_up() -> None:
    found = roles.of(
        claims(
            realm_access={"roles": ["viewer", "offline_access"]},
            resource_access={"taskmill-api": {"roles": ["user"]}},
        ),
        MATRIX,
    )
    assert found == {"viewer", "user"}


def test_another_clients_roles_say_nothing() -> None:
    found = roles.of(
        claims(resource_access={"account": {"roles": ["admin"]}, "taskmill-web": {"roles": ["admin"]}}), MATRIX
    )
    assert found == frozenset()


@pytest.mark.parametrize(
    "odd",
    [None, "admin", 7, ["admin"], {}, {"roles": None}, {"roles": "admin"}, {"roles": {"admin": 1}},
     {"roles": [None, 1, ["admin"], {"admin": 1}]}, {"roles": ["Admin", "ADMIN", " admin", "admin "]}],
)  # fmt: skip
def test_odd_claims_hold_no_roles(odd: Any) -> None:
    assert roles.of(claims(realm_access=odd, resource_access=odd), MATRIX) == frozenset()
    assert roles.of(claims(resource_access={"taskmill-api": odd}), MATRIX) == frozenset()


def test_a_principal_holds_what_its_roles_hold_together() -> None:
    caller = principal.of(claims(realm_access={"roles": ["viewer", "admin"]}), MATRIX)
    assert caller.permissions == {"tasks:read", "tasks:admin", "users:admin"}
    assert caller.may("tasks:admin")
    assert not caller.may("tasks:write")


def test_odd_names_and_addresses_do_not_break_a_principal() -> None:
    caller = principal.of(claims(preferred_username=["x"], email=7), MATRIX)
    assert (caller.username, caller.email) == ("a", "")
