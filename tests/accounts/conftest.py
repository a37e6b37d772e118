import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from accounts import access, keys, sightings, verified
from config.cache import memory, redis
from config.cache.redis import Unavailable
from tests.accounts.issuers import Live, development, of_the_stack
from tests.accounts.keycloak import Jwks, Key, Mint, rsa_key
from tests.config.servers import LONG_AGO


@pytest.fixture(scope="session")
def key() -> Key:
    return rsa_key()


@pytest.fixture(scope="session")
def other_key() -> Key:
    """A key that Keycloak does not list, or lists later."""
    return rsa_key()


@pytest.fixture
def jwks(key: Key) -> Iterator[Jwks]:
    server = Jwks(key)
    yield server
    server.stop()


@pytest.fixture
def mint(jwks: Jwks, key: Key, settings: pytest.FixtureRequest) -> Mint:
    """Tokens of an issuer whose keys the API can fetch."""
    for name, path in {"OIDC_ISSUER": "", "OIDC_OP_JWKS_ENDPOINT": "/protocol/openid-connect/certs"}.items():
        setattr(settings, name, jwks.url + path)
    return Mint(jwks.url, key)


@pytest.fixture(autouse=True)
def new_process() -> Iterator[None]:
    """Each test starts with nothing remembered, as a new process does."""
    _forget()
    yield
    _forget()


def _forget() -> None:
    keys.KEYS.forget()
    access.ACCESS.forget()
    access.DENIED.forget()
    verified.forget()
    sightings.forget()


@pytest.fixture(autouse=True)
def empty_redis() -> None:
    """Limits and denials of one test are none of the next one's business."""
    with contextlib.suppress(Unavailable):
        redis.call("FLUSHDB")
        redis.call("SET", memory.KEY, LONG_AGO)


@pytest.fixture
def redis_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """The breaker is open, as after a time-out; it stays open for the test."""
    monkeypatch.setattr(redis._breaker, "_closed", threading.Event())


@pytest.fixture(scope="session")
def development_issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with development(tmp_path_factory.mktemp("issuer"), "http://127.0.0.1:8080") as issuer:
        yield issuer


@pytest.fixture(params=["development", pytest.param("keycloak", marks=pytest.mark.stack)])
def live(request: pytest.FixtureRequest, settings: Any) -> Live:
    """Each test with this runs against the development issuer, and against the real Keycloak."""
    real = request.param == "keycloak"
    found: Live = (
        of_the_stack(request.getfixturevalue("stack")) if real else request.getfixturevalue("development_issuer")
    )
    found.configure(settings)
    return found
