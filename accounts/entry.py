"""The entry of a caller: who he is, as far as his token is known already, and what the gate says of him.

Authentication (`accounts.authentication`) judges; a caller who is plainly welcome may be let in here, before there is
a view, and a verdict that was asked for then is handed on, so that no call is counted twice.
"""

from typing import Any

from accounts import sightings, verified
from accounts.access import ACCESS
from accounts.principal import Principal
from config.cache import gate
from config.cache.shelf import Place

VERDICT = "taskmill.verdict"  # in a request's META, where no client can put anything

Meta = dict[str, Any]


def known(meta: Meta) -> Principal | None:
    """Who calls, if his token was verified before and nothing denies all tokens of its age."""
    header = meta.get("HTTP_AUTHORIZATION", "")
    access = ACCESS.get() if header.startswith("Bearer ") else None
    if access is None:
        return None
    principal = verified.known(header.removeprefix("Bearer "), access)
    return None if principal is None or principal.issued_at <= access.denied_before else principal


def verdict(
    principal: Principal, *, cost: int = 1, place: Place | None = None, beside: tuple[str, str] | None = None
) -> gate.Verdict:
    """Counts the call."""
    session, issued_at = principal.sid, principal.issued_at
    return gate.enter(principal.id, session=session, issued_at=issued_at, cost=cost, place=place, beside=beside)


def welcome(meta: Meta, principal: Principal, place: Place | None) -> gate.Verdict | None:
    """The verdict on a caller of whom nothing else has to be asked; any other one is left for authentication."""
    found = verdict(principal, place=place)
    if found.denied or found.limited or found.unsure:
        meta[VERDICT] = found
        return None
    sightings.note(principal)
    return found
