"""What tests of reads need: the long way to an answer, and a cache that has forgotten."""

from collections.abc import Callable
from typing import Any

import pytest

from tasks_app.api import reads
from tests.cast import Answer


@pytest.fixture
def by_views(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Answer]], Answer]:
    """Makes a call that a view answers."""

    def call(ask: Callable[[], Answer]) -> Answer:
        with monkeypatch.context() as patch:
            patch.setattr(reads, "_read", lambda request: None)
            return ask()

    return call


@pytest.fixture
def forget_kept(redis: Any) -> Callable[[], None]:
    def forget() -> None:
        for key in redis.keys("*:kept"):
            redis.delete(key)

    return forget
