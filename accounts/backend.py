"""mozilla-django-oidc's backend with everything that decides anything replaced.

As it comes it asks Keycloak's userinfo endpoint at every API call, matches users by e-mail address, accepts ID
tokens of other clients and issuers, and turns a clock that is a second off into a 500. What is left is the
code flow itself: exchanging the code, PKCE, state.
"""

from typing import Any

from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest
from mozilla_django_oidc.auth import OIDCAuthenticationBackend

from accounts import admin_login, tokens, verified
from accounts.access import ACCESS, Access
from accounts.models import User
from accounts.principal import Principal


class NotReady(Exception):
    """The role matrix could not be read since this process started."""


class KeycloakBackend(OIDCAuthenticationBackend):  # type: ignore[misc] # the package is not typed
    """The API uses `principal`; the admin login uses the rest."""

    request: HttpRequest

    def principal(self, access_token: str) -> Principal:
        """Who calls with this access token. Raises tokens.InvalidToken, keys.NoKeys or NotReady."""
        return verified.principal(access_token, self.access())

    def access(self) -> Access:
        access = ACCESS.get()
        if access is None:
            raise NotReady
        return access

    def verify_token(self, token: str, **kwargs: Any) -> tokens.Claims:
        try:
            return tokens.id_token(token, kwargs.get("nonce"))
        except tokens.InvalidToken as error:
            raise SuspiciousOperation(f"ID token refused: {error}") from error

    def get_or_create_user(self, access_token: str, id_token: str, payload: tokens.Claims) -> User:
        """The admin who has just logged in. Raises PermissionDenied for everybody else."""
        try:
            principal = self.principal(access_token or "")
        except tokens.InvalidToken as error:
            raise SuspiciousOperation(f"access token refused: {error}") from error
        if principal.id != payload["sub"]:
            raise SuspiciousOperation("the ID token and the access token belong to different users")
        return admin_login.admit(self.request, principal)

    def get_user(self, user_id: str) -> User | None:
        return User.objects.filter(pk=user_id, is_active=True, is_staff=True).first()
