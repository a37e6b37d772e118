"""What happened: events of users (logins, logouts) and of admins, as the poller of the application reads them."""

import time
import uuid
from collections.abc import Mapping
from typing import Any, Literal

from config.launch.issuer.store import Store

Event = dict[str, Any]
Kind = Literal["admin_events", "user_events"]

_MOST = 1000  # of each kind; Keycloak keeps them for days, here a restart must stay quick


class Events:
    def __init__(self, store: Store, realm: str) -> None:
        self._store, self._realm = store, realm

    def user(self, kind: str, user_id: str, client_id: str, sid: str | None) -> None:
        more = {"sessionId": sid} if sid else {}
        self._append("user_events", {"type": kind, "clientId": client_id, "userId": user_id, **more, "details": {}})

    def admin(self, operation: str, resource: str, path: str, actor: Mapping[str, Any]) -> None:
        details = {"realmId": self._realm, "clientId": actor["azp"], "userId": actor["sub"], "ipAddress": "127.0.0.1"}
        event = {"operationType": operation, "resourceType": resource, "resourcePath": path, "authDetails": details}
        self._append("admin_events", event)

    def find(self, kind: Kind, query: Mapping[str, list[str]]) -> list[Event]:
        """A page of the events that the query asks for, newest first unless `direction=asc`."""
        with self._store.reading() as data:
            found = [event for event in data[kind] if _matches(event, query)]
        if query.get("direction") != ["asc"]:
            found.reverse()
        first = int(query.get("first", ["0"])[0])
        return found[first : first + int(query.get("max", ["100"])[0])]

    def _append(self, kind: Kind, event: Event) -> None:
        whole = {"id": str(uuid.uuid4()), "time": int(time.time() * 1000), "realmId": self._realm, **event}
        with self._store.changing() as data:
            data[kind] = [*data[kind], whole][-_MOST:]


_FIELDS = {
    "type": "type",
    "client": "clientId",
    "user": "userId",
    "resourceTypes": "resourceType",
    "operationTypes": "operationType",
    "resourcePath": "resourcePath",
}


def _matches(event: Event, query: Mapping[str, list[str]]) -> bool:
    since, until = (int(query.get(name, [other])[0]) for name, other in (("dateFrom", "0"), ("dateTo", "9" * 15)))
    asked = ((query[name], event.get(field)) for name, field in _FIELDS.items() if name in query)
    return since <= event["time"] <= until and all(value in values for values, value in asked)
