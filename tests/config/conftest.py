from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connections
from pytest_django import DjangoDbBlocker

from config.data import replicas
from tests.config.postgres_pair import PostgresPair


@pytest.fixture(scope="session")
def postgres_pair() -> Iterator[PostgresPair]:
    pair = PostgresPair()
    yield pair
    pair.end()


@pytest.fixture
def on_the_pair(postgres_pair: PostgresPair, settings: Any, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """`default` is the pair's primary and `replica-1` its replica, as in a running API."""
    before = dict(connections.settings["default"])
    with django_db_blocker.unblock():
        connections["default"].close()
        del connections["default"]
        connections.settings["default"].update(postgres_pair.settings("primary"))
        replica = {**connections.settings["default"], **postgres_pair.settings("replica"), "CONN_MAX_AGE": None}
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
