from collections.abc import Iterator

import pytest

from config.observability import checks, health
from tests.config.conftest import on_the_pair, postgres_pair  # noqa: F401 - fixtures
from tests.observability.receivers import Receiver


@pytest.fixture
def asked_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """The platform's own checks, with nothing remembered, as in a new process."""
    monkeypatch.setattr(health, "_deciding", {})
    monkeypatch.setattr(health, "_others", {})
    checks.register()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.stop()
