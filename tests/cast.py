"""The cast of the tests: the people of docker/keycloak/taskmill-realm.json, and their calls in this process.

A call goes through Django's test client and the whole middleware, with a real token that a real key has signed.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import orjson
from django.test import Client

from tests.accounts.keycloak import ADA, ALICE, BOB, NOBODY, SERVICE, VERA, Mint

Answer = Any  # Django's response, as the test client decorates it


@dataclass(frozen=True)
class Person:
    id: str
    name: str
    roles: tuple[str, ...] = ()
    client: str = "taskmill-web"

    def token(self, mint: Mint, **claims: Any) -> str:
        usual = {
            "sub": self.id,
            "preferred_username": self.name,
            "email": f"{self.name}@example.com",
            "azp": self.client,
            "sid": f"session-of-{self.name}",
            "realm_access": {"roles": ["default-roles-taskmill", *self.roles]},
        }
        return mint.access(**{**usual, **claims})


PEOPLE = {
    "alice": Person(ALICE, "alice", ("user",)),
    "bob": Person(BOB, "bob", ("user",)),
    "vera": Person(VERA, "vera", ("viewer",)),
    "ada": Person(ADA, "ada", ("admin",)),
    "nobody": Person(NOBODY, "nobody"),
    "service": Person(SERVICE, "service-account-taskmill-service", ("user",), "taskmill-service"),
}


class Caller:
    """One person's calls, or an anonymous one's."""

    def __init__(self, person: Person | None, token: str | None) -> None:
        self.id = person.id if person else ""
        self._client = Client(raise_request_exception=False)
        self._headers = {"authorization": f"Bearer {token}"} if token else {}

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
        **query: Any,
    ) -> Answer:
        """`body` is sent as JSON, bytes as they are; a query value that is a list is repeated."""
        data = body if isinstance(body, bytes) else b"" if body is None else orjson.dumps(body)
        where = f"{path}?{urlencode(query, doseq=True)}" if query else path
        return self._client.generic(method, where, data, content_type, headers={**self._headers, **(headers or {})})

    def get(self, path: str, *, headers: Any = None, **query: Any) -> Answer:
        return self.call("GET", path, headers=headers, **query)

    def post(self, path: str, body: Any = None, **headers: str) -> Answer:
        return self.call("POST", path, body, headers=_names(headers))

    def patch(self, path: str, body: Any = None, **headers: str) -> Answer:
        return self.call("PATCH", path, body, content_type="application/merge-patch+json", headers=_names(headers))

    def delete(self, path: str, **headers: str) -> Answer:
        return self.call("DELETE", path, headers=_names(headers))

    def make(self, **fields: Any) -> dict[str, Any]:
        """A new task of this person's, as the answer tells it."""
        answer = self.post("/v1/tasks", {"title": "Water the plants", **fields})
        assert answer.status_code == 201, answer.content
        task: dict[str, Any] = answer.json()
        return task

    def pages(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """All rows of a list, page by page."""
        rows, cursor = [], None
        while True:
            answer = self.get(path, **query, **({"cursor": cursor} if cursor else {}))
            assert answer.status_code == 200, answer.content
            page = answer.json()
            rows += page["results"]
            cursor = page["next_cursor"]
            if cursor is None:
                return rows


def _names(headers: Mapping[str, str]) -> dict[str, str]:
    """`if_match` is the header If-Match."""
    return {name.replace("_", "-"): value for name, value in headers.items()}


def assert_problem(answer: Answer, status: int, slug: str | None = None) -> dict[str, Any]:
    """The answer is a problem document (RFC 9457) that agrees with itself; returns it."""
    assert answer.status_code == status, answer.content
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem: dict[str, Any] = json.loads(answer.content)
    assert problem["status"] == status
    assert problem["request_id"] == answer.headers["X-Request-Id"]
    assert {"type", "title", "detail", "instance"} <= problem.keys()
    if slug is not None:
        assert problem["type"].rpartition("/")[2].rpartition("#")[2] == slug
    return problem


def pointers(answer: Answer) -> dict[str, str]:
    """Of a refused body: the code by pointer."""
    return {error["pointer"]: error["code"] for error in assert_problem(answer, 400)["errors"]}


def refused_parameter(answer: Answer) -> str:
    """Of a refused query: the parameter's name."""
    (error,) = assert_problem(answer, 400)["errors"]
    return str(error["parameter"])
