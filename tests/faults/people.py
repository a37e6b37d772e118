"""Users of a drill's own, in the running Keycloak."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from tests.journeys.system import System

Person = tuple[str, str]  # name, password


@contextmanager
def people(system: System, count: int) -> Iterator[list[Person]]:
    """`count` new users with the role `user`, who are gone afterwards."""
    keycloak = system.keycloak()
    role = keycloak.get("/roles/user").raise_for_status().json()
    made = [_make(keycloak, f"drill-{secrets.token_hex(6)}", role) for _ in range(count)]
    try:
        yield [person for _, person in made]
    finally:
        for url, _ in made:
            keycloak.delete(url)


def _make(keycloak: httpx.Client, name: str, role: dict[str, Any]) -> tuple[str, Person]:
    password = secrets.token_urlsafe(16)
    user = {
        "username": name,
        "email": f"{name}@example.com",
        "firstName": "Drill",
        "lastName": name,
        "enabled": True,
        "emailVerified": True,
        "credentials": [{"type": "password", "value": password, "temporary": False}],
    }
    url = keycloak.post("/users", json=user).raise_for_status().headers["Location"]
    keycloak.post(f"{url}/role-mappings/realm", json=[role]).raise_for_status()
    return url, (name, password)
