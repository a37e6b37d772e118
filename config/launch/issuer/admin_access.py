"""Who may call the admin API, and what each call has at hand.

It is the part of Keycloak's admin API that Taskmill calls. The caller needs the same realm-management roles as on
Keycloak, and each change leaves the same admin event.
"""

from collections.abc import Callable
from dataclasses import dataclass

import jwt

from config.launch.issuer.core import Issuer
from config.launch.issuer.tokens import Claims
from config.launch.issuer.users import User
from config.launch.issuer.web import Refusal, Request, Response


@dataclass(frozen=True, slots=True)
class Call:
    issuer: Issuer
    request: Request
    actor: Claims

    def note(self, operation: str, resource: str, path: str) -> None:
        self.issuer.events.admin(operation, resource, path, self.actor)

    def user(self, user_id: str) -> User:
        user = self.issuer.users.get(user_id)
        if user is None:
            raise Refusal(404, "User not found")
        return user

    def page(self) -> slice:
        """Which items of a list are asked for."""
        asked = self.request.parameters()
        try:
            first, most = int(asked.get("first", "0")), int(asked.get("max", "100"))
        except ValueError as error:
            raise Refusal(400, "invalid_request", "first and max are numbers") from error
        return slice(max(0, first), max(0, first) + max(0, most))


Action = Callable[..., Response]


def needs(role: str) -> Callable[[Action], Callable[..., Response]]:
    """The action, for callers whose token has this role of the client realm-management."""

    def decorate(action: Action) -> Callable[..., Response]:
        def checked(issuer: Issuer, request: Request, *names: str) -> Response:
            return action(Call(issuer, request, _actor(issuer, request, role)), *names)

        return checked

    return decorate


def _actor(issuer: Issuer, request: Request, role: str) -> Claims:
    try:
        claims = issuer.tokens.read(request.bearer(), "Bearer")
    except jwt.InvalidTokenError as error:
        raise Refusal(401, "HTTP 401 Unauthorized") from error
    live = issuer.live(claims)
    if live is None:
        raise Refusal(401, "HTTP 401 Unauthorized")
    if role not in live[0].client_roles.get("realm-management", ()):
        raise Refusal(403, "HTTP 403 Forbidden")
    return claims
