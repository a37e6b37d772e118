"""Which of Keycloak's events end somebody's access, and whose.

Keycloak tells nobody when a user is disabled or deleted, loses a role or gets a new password: it only writes an
admin event. The events of users (logouts) repair back-channel calls that were lost.
"""

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


class Ends(enum.Enum):
    SESSION = "session"
    SUBJECT = "subject"
    EVERYBODY = "everybody"
    IF_DISABLED = "if-disabled"  # an edited user: the event does not say what was edited


@dataclass(frozen=True, slots=True)
class Ending:
    """`at` is Keycloak's time in whole seconds: tokens issued up to it are refused, later ones are not."""

    ends: Ends
    at: int
    subject: str = ""
    session: str = ""


_USER = re.compile(r"^users/([^/]+)(?:/(.*))?$")
_SESSION = re.compile(r"^sessions/([^/]+)$")
# Roles, groups and clients reach many users: everybody gets new tokens, which costs each client one refresh.
_REACHES_MANY = re.compile(r"^(groups|roles|roles-by-id|clients)/")
# Not the temporary lockout: anybody who knows a name could log its owner out with wrong passwords.
_USER_EVENTS = {
    "LOGOUT": Ends.SESSION,
    "REVOKE_GRANT": Ends.SESSION,
    "DELETE_ACCOUNT": Ends.SUBJECT,
    "USER_DISABLED_BY_PERMANENT_LOCKOUT": Ends.SUBJECT,
}
USER_EVENT_TYPES = tuple(_USER_EVENTS)


def of_admin(event: Mapping[str, Any]) -> Ending | None:
    """What an admin event ends, if anything."""
    operation, path = event.get("operationType", ""), event.get("resourcePath") or ""
    at = event["time"] // 1000
    if match := _USER.match(path):
        ends = _of_user_change(operation, match[2] or "")
        return Ending(ends, at, subject=match[1]) if ends else None
    if operation == "DELETE" and (match := _SESSION.match(path)):
        return Ending(Ends.SESSION, at, session=match[1])
    # An edit of the realm may have been its `notBefore`.
    if path in {"logout-all", "push-revocation"} or (operation, event.get("resourceType")) == ("UPDATE", "REALM"):
        return Ending(Ends.EVERYBODY, at)
    if operation in {"DELETE", "UPDATE"} and _REACHES_MANY.match(path):
        return Ending(Ends.EVERYBODY, at)
    return None


def _of_user_change(operation: str, rest: str) -> Ends | None:
    match operation, rest:
        case "DELETE", _:  # the user, a role, a group, a credential, a federated login
            return Ends.SUBJECT
        case "ACTION", "logout":
            return Ends.SUBJECT
        case "ACTION" | "UPDATE", "reset-password":
            return Ends.SUBJECT
        case "UPDATE", "":
            return Ends.IF_DISABLED
    return None


def of_user(event: Mapping[str, Any]) -> Ending | None:
    """What a user's own event ends, if anything."""
    ends = _USER_EVENTS.get(event.get("type", ""))
    subject, session = event.get("userId") or "", event.get("sessionId") or ""
    if ends is None or not subject or (ends is Ends.SESSION and not session):
        return None
    return Ending(ends, event["time"] // 1000, subject, session)
