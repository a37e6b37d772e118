"""The admin's login by authorization code and PKCE, and its logout. Every failure is a page that says what to do."""

import logging

import requests
from django.contrib import auth
from django.core.exceptions import SuspiciousOperation
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST
from mozilla_django_oidc.views import OIDCAuthenticationCallbackView, OIDCAuthenticationRequestView

from accounts import admin_login
from accounts.backend import NotReady
from accounts.keys import NoKeys
from accounts.pages import refusal
from accounts.throttle import limited

logger = logging.getLogger(__name__)

_guard = method_decorator([never_cache, limited("60/m", page=True)], name="dispatch")


@_guard
class LoginView(OIDCAuthenticationRequestView):  # type: ignore[misc] # the package is not typed
    """Sends the browser to Keycloak."""


@_guard
class CallbackView(OIDCAuthenticationCallbackView):  # type: ignore[misc]
    """Takes the code that the browser brings back."""

    request: HttpRequest

    def get(self, request: HttpRequest) -> HttpResponseBase:
        try:
            response: HttpResponseBase = super().get(request)
        except SuspiciousOperation as error:
            logger.warning("login refused", extra={"reason": str(error)})
            return refusal(request, 400, "This login did not work", "Its answer was not valid. Start again.")
        except (requests.RequestException, NoKeys, NotReady, DatabaseError) as error:
            return self._unfinished(request, error)
        return response

    def _unfinished(self, request: HttpRequest, error: Exception) -> HttpResponseBase:
        """Keycloak said no to the code, or something that is needed does not answer."""
        answer = getattr(error, "response", None)
        logger.warning(
            "login not finished", extra={"error": type(error).__name__, "status": answer and answer.status_code}
        )
        if answer is not None and answer.status_code < requests.codes.internal_server_error:
            return refusal(request, 400, "This login did not work", "Its code was used or is too old. Start again.")
        detail = "A server that is needed for it does not answer. Try again in a minute."
        return refusal(request, 503, "Login is not possible now", detail, {"Retry-After": "60"})

    def login_success(self) -> HttpResponseBase:
        response: HttpResponseBase = super().login_success()
        admin_login.remember(self.request)
        return response

    def login_failure(self) -> HttpResponseBase:
        if not {"code", "state"} <= self.request.GET.keys() or "oidc_states" not in self.request.session:
            detail = "The login was cancelled, or it was started in another browser. Start again."
            return refusal(self.request, 400, "This login did not work", detail)
        detail = "You are logged in, but your account has no role that may use the admin. Ask an admin for it."
        return refusal(self.request, 403, "Not allowed", detail)


@never_cache
@require_POST
def logout(request: HttpRequest) -> HttpResponseBase:
    """Ends the session here and sends the browser to Keycloak to end the one there."""
    url = admin_login.logout_url(request.session)
    auth.logout(request)
    return HttpResponseRedirect(url)
