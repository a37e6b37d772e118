"""What a schema cannot say of a request that must be accepted.

A cursor and a consistency token have to be the server's own, an assignee and a time zone have to be known, a title must
not be blank. Requests that must be refused are left as they are.
"""

import copy
import os
from typing import Any
from uuid import uuid4

import schemathesis

from config.launch import client

UNSAID = ("cursor",)
KNOWN = {"assignee": None, "time_zone": "Europe/Berlin"}
ETAGS = ("If-Match", "If-None-Match")


@schemathesis.auth(refresh_interval=120, retry_on=[])
class Token:
    """A token is good for five minutes, and a deep run takes longer."""

    def get(self, case: Any, context: Any) -> str:
        return client.LocalSystem(client.FOLDERS[0]).token(os.environ["CONTRACT_USER"])  # of `make stack`

    def set(self, case: Any, data: str, context: Any) -> None:
        case.headers["Authorization"] = f"Bearer {data}"


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    for name in UNSAID:
        (case.query or {}).pop(name, None)
    if "wait" in (case.query or {}):
        case.query["wait"] = 0  # a change feed would be waited for half a minute at a time
    for name in ETAGS:  # the coverage phase does not follow their pattern
        if case.headers and name in case.headers:
            case.headers[name] = '"1"'
    if case.headers:
        case.headers.pop("Consistency-Token", None)  # signed
    if case.headers and "Idempotency-Key" in case.headers:
        case.headers["Idempotency-Key"] = str(uuid4())  # of a known one the answer may be of something gone since
    if isinstance(case.body, dict):
        case.body = copy.deepcopy(case.body)
        _mend(case.body)


def _mend(body: dict[str, Any]) -> None:
    for task in (body, *(one["body"] for one in _operations(body) if isinstance(one.get("body"), dict))):
        task.update({name: value for name, value in KNOWN.items() if isinstance(task.get(name), str)})
        if isinstance(task.get("title"), str) and not task["title"].strip():
            task["title"] = "not blank"


def _operations(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Of a bulk."""
    operations = body.get("operations")
    return [one for one in operations if isinstance(one, dict)] if isinstance(operations, list) else []
