"""Roles to permissions, by the matrix that admins edit (`accounts.access` keeps a copy of it)."""

from collections.abc import Iterator, Mapping

from django.conf import settings

from accounts.tokens import Claims

Matrix = Mapping[str, frozenset[str]]


def of(claims: Claims, matrix: Matrix) -> frozenset[str]:
    """Realm roles and the resource roles of this API's own client, as far as they are roles here.

    Another client's roles say nothing here. A claim of an odd shape holds no roles.
    """
    resources = _member(claims, "resource_access")
    named = {*_names(_member(claims, "realm_access")), *_names(_member(resources, settings.OIDC_AUDIENCE))}
    return frozenset(named & matrix.keys())


def permissions(roles: frozenset[str], matrix: Matrix) -> frozenset[str]:
    return frozenset().union(*(matrix[role] for role in roles))


def _member(value: object, name: str) -> object:
    return value.get(name) if isinstance(value, dict) else None


def _names(access: object) -> Iterator[str]:
    listed = _member(access, "roles")
    if isinstance(listed, list):
        yield from (name for name in listed if isinstance(name, str))
