from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.observability.server import Server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One worker with two threads and the tiny application."""
    folder: Path = tmp_path_factory.mktemp("server")
    server = Server(folder, "tests.server.application", API_WORKERS="1", API_THREADS="2", MAX_BODY_BYTES="100000")
    yield server
    if server.process.poll() is None:
        server.stop()
