"""Fixtures that all tests share: the cast, their Redis, the servers of a running system."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis as redis_client
from django.conf import settings as django_settings
from django.db.backends.postgresql.creation import DatabaseCreation

from accounts import access, keys, sightings, verified
from config.cache import memory
from config.cache import redis as house_redis
from config.env import Rate
from config.launch import state
from config.launch.client import LocalSystem
from tests import processes
from tests.accounts.keycloak import Jwks, Mint, rsa_key
from tests.cast import PEOPLE, Caller
from tests.config.servers import LONG_AGO
from tests.embedded_fixture import embedded  # noqa: F401 - a fixture
from tests.journeys.system import System

ROOT = Path(__file__).resolve().parent.parent
# Whoever asks for one of these needs a server; `-m "not stack …"` leaves it out.
SERVER_FIXTURES = {"db", "transactional_db", "redis", "stack", "real_system", "broker", "log_table", "postgres_pair"}


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> processes.Scheduling:
    return processes.Scheduling(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        wanted = set(getattr(item, "fixturenames", ()))
        if wanted & SERVER_FIXTURES or item.get_closest_marker("django_db"):
            item.add_marker("stack")
        processes.check(item)


def _drop(self: Any, test_database_name: str, verbosity: int) -> None:
    """A thread or a killed process may have a session there still, which is no reason to fail all tests."""
    with self._nodb_cursor() as cursor:
        cursor.execute(f"DROP DATABASE {self.connection.ops.quote_name(test_database_name)} WITH (FORCE)")


DatabaseCreation._destroy_test_db = _drop  # type: ignore[attr-defined]  # not in the stubs


@pytest.fixture(scope="session")
def stack() -> Iterator[LocalSystem]:
    """The real servers: `make test` starts them, or `make stack-up` beforehand."""
    found = ROOT / ".stack"
    if not state.is_running(state.read(found)):
        pytest.fail("the real servers do not run: make stack-up, or run all tests by make test")
    system = LocalSystem(found)
    yield system
    refused = refused_by_redis(system)
    assert refused == [], "Taskmill has sent Redis a command that its account may not use, such as KEYS or SCAN"


def refused_by_redis(system: LocalSystem) -> list[Any]:
    with redis_client.Redis.from_url(system.part("redis").url) as operator:
        return [each["object"] for each in operator.acl_log() if each["username"] == "taskmill"]


@pytest.fixture
def real_system(stack: LocalSystem) -> Iterator[System]:
    """The real servers as a person meets them."""
    system = System(stack)
    yield system
    system.close()


@pytest.fixture
def redis() -> Iterator["redis_client.Redis"]:
    """The tests' own database of a real Redis, empty."""
    client = redis_client.Redis.from_url(django_settings.CACHE_URL)
    client.flushdb()
    client.set(memory.KEY, LONG_AGO)
    deadline = time.monotonic() + 5
    while not house_redis.available():  # a drill before this one may have opened the breaker
        assert time.monotonic() < deadline, "the breaker stays open"
        time.sleep(0.05)
    yield client
    client.close()


@pytest.fixture(scope="session")
def issuer() -> Iterator[Jwks]:
    """The signing side of a Keycloak: a real key, whose public half a real HTTP server lists."""
    server = Jwks(rsa_key())
    yield server
    server.stop()


@pytest.fixture
def tokens(issuer: Jwks, settings: Any) -> Iterator[Mint]:
    """Tokens that the API accepts. It starts with nothing remembered, as a new process does."""
    settings.OIDC_ISSUER = issuer.url
    settings.OIDC_OP_JWKS_ENDPOINT = f"{issuer.url}/protocol/openid-connect/certs"
    _forget()
    yield Mint(issuer.url, issuer.keys[0])
    _forget()


def _forget() -> None:
    for remembered in (keys.KEYS, access.ACCESS, access.DENIED, verified, sightings):
        remembered.forget()


@pytest.fixture
def limits(settings: Any) -> Callable[..., None]:
    """Sets limits for one test: `limits(user=(3, 60))` is three calls in a minute."""

    def set_limits(**rates: tuple[int, int]) -> None:
        settings.RATE_LIMITS = {**settings.RATE_LIMITS, **{name: Rate(*rate) for name, rate in rates.items()}}

    return set_limits


@pytest.fixture
def client_for(db: None, redis: Any, tokens: Mint) -> Callable[..., Caller]:
    """`client_for("alice")`: calls in this process with alice's token, `None` without one; claims may differ."""

    def make(name: str | None, **claims: Any) -> Caller:
        if name is None:
            return Caller(None, None)
        person = PEOPLE[name]
        return Caller(person, person.token(tokens, **claims))

    return make


@pytest.fixture
def alice(client_for: Callable[..., Caller]) -> Caller:
    """Owns the tasks."""
    return client_for("alice")


@pytest.fixture
def bob(client_for: Callable[..., Caller]) -> Caller:
    """Another user, known here: he has called before, so that tasks can be assigned to him."""
    caller = client_for("bob")
    assert caller.get("/v1/me").status_code == 200
    return caller


@pytest.fixture
def vera(client_for: Callable[..., Caller]) -> Caller:
    """A viewer."""
    return client_for("vera")


@pytest.fixture
def ada(client_for: Callable[..., Caller]) -> Caller:
    """An admin."""
    return client_for("ada")


@pytest.fixture
def anonymous(client_for: Callable[..., Caller]) -> Caller:
    return client_for(None)
