"""Who may enter the admin, and what ends an admin's session before he logs out."""

import time
from collections.abc import Callable

from django.conf import settings
from django.contrib import auth
from django.contrib.sessions.backends.base import SessionBase
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase
from django.utils.http import urlencode

from accounts import denials, sightings
from accounts.models import User
from accounts.principal import Principal

_KEY = "keycloak"  # in the session: {"sid", "iat", "seen"}
_SEEN_EVERY = 60  # seconds between two writes of "seen"


def admit(request: HttpRequest, principal: Principal) -> User:
    """The row of an admin, with staff rights. Raises PermissionDenied for anybody else."""
    if not sightings.may_enter_admin(principal):
        sightings.write(principal)  # takes the rights away from somebody who had them
        raise PermissionDenied
    sightings.write(principal)
    User.objects.filter(pk=principal.id).update(is_staff=True, is_superuser=True)
    request.principal = principal  # type: ignore[attr-defined] # for `remember`, after the session's change
    return User.objects.get(pk=principal.id)


def remember(request: HttpRequest) -> None:
    """Keep what denials are asked by; after `login`, which may empty the session."""
    principal: Principal = request.principal  # type: ignore[attr-defined]
    request.session[_KEY] = {
        "sid": principal.sid or "",
        "iat": principal.issued_at,
        "seen": int(time.time()),
    }


def logout_url(session: SessionBase) -> str:
    """Where Keycloak ends its own session too (OpenID Connect RP-Initiated Logout)."""
    query = {
        "client_id": settings.OIDC_RP_CLIENT_ID,
        "post_logout_redirect_uri": f"{settings.SITE_URL}/admin/",
    }
    if id_token := session.get("oidc_id_token"):
        query["id_token_hint"] = id_token
    return f"{settings.OIDC_OP_LOGOUT_ENDPOINT}?{urlencode(query)}"


class AdminRevocationMiddleware:
    """Ends an admin's session when its user was disabled, logged out or lost a role meanwhile.

    A session outlives tokens and denials, so one that was not used for as long as a denial is kept has to log
    in again: a denial might have come and gone.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path_info.startswith("/admin") and request.user.is_authenticated:
            if _still_good(request):
                _touch(request.session)
            else:
                auth.logout(request)
        return self.get_response(request)


def _still_good(request: HttpRequest) -> bool:
    kept = request.session.get(_KEY)
    if not isinstance(kept, dict) or time.time() - kept["seen"] > denials.lifetime():
        return False
    return not denials.against(str(request.user.pk), kept["sid"], kept["iat"]).exists()


def _touch(session: SessionBase) -> None:
    now = int(time.time())
    if now - session[_KEY]["seen"] >= _SEEN_EVERY:
        session[_KEY] = {**session[_KEY], "seen": now}
