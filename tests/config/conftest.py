import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from pytest_django import DjangoDbBlocker

from config.cache import local_window
from config.cache import redis as house_redis
from config.data import replicas
from config.launch.stack.postgres import READER
from tests.accounts.keycloak import Mint
from tests.cast import PEOPLE, Caller
from tests.config.postgres_pair import PostgresPair
from tests.config.servers import OwnRedis, eventually


@pytest.fixture(scope="session")
def postgres_pair() -> Iterator[PostgresPair]:
    pair = PostgresPair()
    yield pair
    pair.end()


@pytest.fixture
def on_the_pair(postgres_pair: PostgresPair, settings: Any, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """`default` is the pair's primary and `replica-1` its replica, as in a running API, by the API's accounts."""
    before = dict(connections.settings["default"])
    with django_db_blocker.unblock():
        connections["default"].close()
        del connections["default"]
        connections.settings["default"].update(postgres_pair.settings("primary"))
        replica = {**connections.settings["default"], **postgres_pair.settings("replica", READER), "CONN_MAX_AGE": None}
        connections.settings["replica-1"] = replica
        settings.REPLICAS = ["replica-1"]
        replicas._verdicts.clear()
        yield
        for alias in ("default", "replica-1"):
            connections[alias].close()
            del connections[alias]
        replicas._verdicts.clear()
        del connections.settings["replica-1"]
        connections.settings["default"].clear()
        connections.settings["default"].update(before)


@pytest.fixture
def migrated_pair(postgres_pair: PostgresPair, on_the_pair: None) -> PostgresPair:
    if postgres_pair.ask("primary", "SELECT to_regclass('task') IS NULL"):
        postgres_pair.migrate()
    return postgres_pair


@pytest.fixture
def paused(migrated_pair: PostgresPair, redis: Any, tokens: Mint) -> Iterator[PostgresPair]:
    """The whole API on the pair, whose replica replays nothing from here on."""
    for name in ("alice", "bob"):
        assert caller(tokens, name).get("/v1/me").status_code == 200
    migrated_pair.catch_up()
    migrated_pair.pause()
    yield migrated_pair
    migrated_pair.resume()


def caller(tokens: Mint, name: str) -> Caller:
    return Caller(PEOPLE[name], PEOPLE[name].token(tokens))


def new_process(settings: Any, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """The house's Redis client as a process that has just started has it."""
    settings.CACHE_URL = url
    house_redis._pool.cache_clear()
    new = {"_local": threading.local(), "_breaker": house_redis._new_breaker(), "_owed": deque()}
    for name, value in new.items():
        monkeypatch.setattr(house_redis, name, value)
    monkeypatch.setattr(local_window, "_calls", type(local_window._calls)())


@pytest.fixture
def own(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[OwnRedis]:
    server = OwnRedis(tmp_path)
    new_process(settings, monkeypatch, server.url)
    yield server
    server.thaw()
    settle()
    server.kill()


def settle() -> None:
    """The probe's thread must not outlive the test whose breaker it closes."""
    eventually(house_redis.available, "the breaker closes")
    eventually(lambda: not house_redis._breaker.is_probing, "the probe ends")
    house_redis._pool.cache_clear()
