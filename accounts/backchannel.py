"""POST /oidc/backchannel-logout: Keycloak says that a session has ended (OpenID Connect Back-Channel Logout 1.0).

It says so once and waits up to five seconds for the answer, so the answer must come at once. A repeated token
is no error: denying a session twice is denying it once. Lost calls are repaired by `manage.py keycloak_watch`.
"""

import logging

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.views.decorators.csrf import csrf_exempt

from accounts import denials, keys, tokens
from accounts.throttle import limited
from config.api import problems
from config.api.problems import Problem, unavailable

logger = logging.getLogger(__name__)


@csrf_exempt  # the caller is a server that proves itself by the token's signature
@limited("1200/m", page=False)
def backchannel_logout(request: HttpRequest) -> HttpResponseBase:
    if request.method != "POST":
        return problems.respond(Problem("method-not-allowed", headers={"Allow": "POST"}), request)
    try:
        _deny(_claims(request))
    except Problem as problem:
        return problems.respond(problem, request)
    return HttpResponse(status=200, headers={"Cache-Control": "no-store"})


def _claims(request: HttpRequest) -> tokens.Claims:
    sent = request.POST.getlist("logout_token")
    if len(sent) != 1:
        raise Problem("bad-request", "Send one form field `logout_token`.")
    try:
        return tokens.logout_token(sent[0])
    except tokens.InvalidToken as error:
        logger.warning("logout token refused", extra={"reason": str(error)})
        raise Problem("bad-request", f"The logout token is not accepted: {error}.") from error
    except keys.NoKeys as error:
        raise unavailable("Keycloak's keys are not known yet.", 5) from error


def _deny(claims: tokens.Claims) -> None:
    """By session where there is one: a denial of the subject would log his other devices out too."""
    session = claims.get("sid")
    try:
        if session:
            denials.deny_session(claims["sub"], session)
        else:
            denials.deny_subject(claims["sub"], claims["iat"])
    except denials.NotWritten as error:
        raise unavailable("Nothing could be written.") from error
