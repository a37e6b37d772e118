"""Who is calling: everything that later code may know about a caller, made from one verified token."""

from dataclasses import dataclass
from typing import cast

from rest_framework.request import Request

from accounts import roles
from accounts.tokens import Claims


@dataclass(frozen=True, slots=True)
class Principal:
    id: str
    username: str
    email: str
    roles: frozenset[str]
    permissions: frozenset[str]
    sid: str | None  # None for service accounts: they have no session
    issued_at: int  # epoch seconds, Keycloak's clock
    expires_at: int
    client: str

    is_authenticated = True

    def may(self, permission: str) -> bool:
        return permission in self.permissions


def principal(request: Request) -> Principal:
    """Of an authenticated call."""
    return cast(Principal, request.user)


def of(claims: Claims, matrix: roles.Matrix) -> Principal:
    known = roles.of(claims, matrix)
    return Principal(
        id=claims["sub"],
        username=_text(claims.get("preferred_username")) or claims["sub"],
        email=_text(claims.get("email")),
        roles=known,
        permissions=roles.permissions(known, matrix),
        sid=claims.get("sid"),
        issued_at=claims["iat"],
        expires_at=claims["exp"],
        client=claims["azp"],
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
