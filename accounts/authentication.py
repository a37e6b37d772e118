"""Bearer tokens for the API (RFC 6750), limits and denials: all that is asked before roles are looked at."""

from functools import cache
from typing import Any, NoReturn

from django.http import HttpRequest
from mozilla_django_oidc.contrib.drf import OIDCAuthentication
from rest_framework.request import Request

from accounts import denials, entry, sightings
from accounts.backend import KeycloakBackend, NotReady
from accounts.keys import NoKeys
from accounts.principal import Principal
from accounts.tokens import InvalidToken
from config.api import client, limits
from config.api.problems import Problem, unavailable
from config.cache import gate
from config.data import reading
from config.observability import context

REALM = "taskmill"


class KeycloakAuthentication(OIDCAuthentication):  # type: ignore[misc] # the package is not typed
    """Either a Principal or a problem: there is no anonymous caller behind this class."""

    www_authenticate_realm = REALM

    def __init__(self) -> None:
        super().__init__(_backend())

    def authenticate(self, request: Request) -> tuple[Principal, None]:
        plain: HttpRequest = request._request
        token = self.get_access_token(request)
        if token is None:
            _refuse(
                plain, _challenge("unauthenticated", None, "Send a Keycloak access token as `Authorization: Bearer …`.")
            )
        principal = self._principal(plain, token)
        verdict = plain.META.pop(entry.VERDICT, None) or entry.verdict(
            principal,
            cost=_cost(request),
            place=_of_view(request, "place", principal.id),
            beside=_of_view(request, "beside", principal.id),
        )
        if self._denied(principal, verdict):
            _refuse(plain, _invalid("The token was revoked: log in again."))
        context.user_id.set(principal.id)  # the request's log line says who called
        limits.admit(plain, verdict.usage)
        if verdict.beside is not None:
            limits.admit(plain, verdict.beside)
        _place_reads(verdict)
        plain.__dict__["look"] = verdict.look
        sightings.note(principal)
        return principal, None

    def get_access_token(self, request: Request) -> str | None:
        """The token, or None when there is no bearer token at all. A malformed header is 400."""
        # DRF's way makes a mapping of all headers.
        header = str(request._request.META.get("HTTP_AUTHORIZATION", "")).encode("iso-8859-1")
        scheme, _, token = header.partition(b" ")
        if scheme.lower() != b"bearer":
            return None
        if not token or not token.isascii() or len(token.split()) != 1:
            malformed = "`Authorization` must be `Bearer <token>`."
            _refuse(request._request, _challenge("bad-request", "invalid_request", malformed))
        return token.strip().decode("ascii")

    def _principal(self, plain: HttpRequest, token: str) -> Principal:
        try:
            principal: Principal = self.backend.principal(token)
        except InvalidToken as error:
            _refuse(plain, _invalid(f"The token is not accepted: {error}."))
        except NoKeys as error:
            raise unavailable("Keycloak's keys are not known yet. Repeat later.", 5) from error
        except NotReady as error:
            raise unavailable("The role matrix is not known yet. Repeat later.", 3) from error
        return principal

    def _denied(self, principal: Principal, verdict: gate.Verdict) -> bool:
        return (
            verdict.denied
            or principal.issued_at <= self.backend.access().denied_before
            or (verdict.unsure and denials.covers(principal.id, principal.sid, principal.issued_at))
        )


@cache
def _backend() -> KeycloakBackend:
    """One for all calls: reading its settings would cost each call as much as the rest of its checks."""
    return KeycloakBackend()


def _cost(request: Request) -> int:
    """What this call counts; a view with `cost = 0` is free."""
    return int(getattr(request.parser_context["view"], "cost", 1))


def _of_view(request: Request, what: str, subject: str) -> Any:
    """What the view wants to be asked along, before it is known whether the caller may have it."""
    wanted = getattr(request.parser_context["view"], what, None)
    return None if wanted is None else wanted(request, subject)


def _place_reads(verdict: gate.Verdict) -> None:
    """A caller sees his own writes: on the primary when nobody knows what he wrote."""
    if verdict.unsure:
        reading.demand_primary()
    else:
        reading.demand(verdict.wrote, verdict.writing)


def _refuse(request: HttpRequest, problem: Problem) -> NoReturn:
    """The problem, or 429 for an address that has tried too often."""
    limits.admit(request, gate.count("ip", client.address(request)))
    raise problem


def _invalid(detail: str) -> Problem:
    return _challenge("unauthenticated", "invalid_token", detail)


def _challenge(slug: str, error: str | None, detail: str) -> Problem:
    """RFC 6750 §3: no `error` for a call without credentials. `detail` never repeats what was sent."""
    challenge = f'Bearer realm="{REALM}"'
    if error is not None:
        description = detail.replace('"', "'").replace("`", "'").replace("…", "...")
        challenge += f', error="{error}", error_description="{description}"'
    return Problem(slug, detail, headers={"WWW-Authenticate": challenge})
