"""What the platform knows of a caller; `accounts.principal.Principal` is one."""

from typing import Protocol, cast

from rest_framework.request import Request


class Caller(Protocol):
    @property
    def id(self) -> str: ...

    @property
    def client(self) -> str: ...

    def may(self, permission: str) -> bool: ...


def caller(request: Request) -> Caller:
    """The authenticated caller: every view behind our authentication has one."""
    return cast(Caller, request.user)
