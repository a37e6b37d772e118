"""A running issuer with a client of its own, and a receiver for its back-channel calls."""

import queue
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from config.launch.issuer import core, realm
from config.launch.issuer.keys import load
from config.launch.issuer.server import Server
from config.launch.issuer.store import Store
from tests.launch.issuer.browser import SITE, Api

REALM = Path(__file__).resolve().parents[3] / "docker" / "keycloak" / "taskmill-realm.json"


class Receiver(HTTPServer):
    """Keeps the bodies that the issuer posts to `/oidc/backchannel-logout`; answers with `status`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Keeper)
        self.received: queue.Queue[tuple[str, str]] = queue.Queue()
        self.status = 200

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Keeper(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.received.put((self.path, body))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@contextmanager
def serving(server: HTTPServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    with serving(receiver):
        yield receiver


@pytest.fixture
def environment(receiver: Receiver) -> dict[str, str]:
    return {
        "TASKMILL_API_SECRET": "api-secret",
        "TASKMILL_SERVICE_SECRET": "service-secret",
        "TASKMILL_ADMIN_SECRET": "admin-secret",
        "TASKMILL_DIRECTORY_SECRET": "directory-secret",
        "TASKMILL_SITE_URL": SITE,
        "TASKMILL_BACKCHANNEL_URL": receiver.url,
    }


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state file with keys only: making them takes longer than most tests."""
    path = tmp_path_factory.mktemp("issuer") / "keys.json"
    load(Store(path), "taskmill")
    return path


@pytest.fixture
def state(tmp_path: Path, keys: Path) -> Path:
    return Path(shutil.copy(keys, tmp_path / "issuer.json"))


@pytest.fixture
def issuer(environment: dict[str, str], state: Path, free_port: int) -> Iterator[Api]:
    with started(environment, state, free_port) as api:
        yield api


@pytest.fixture
def free_port() -> int:
    server = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.server_close()
    return server.server_port


@contextmanager
def started(environment: dict[str, str], state: Path, port: int) -> Iterator[Api]:
    built = core.build(f"http://127.0.0.1:{port}", realm.read(REALM, environment), state)
    with serving(Server(port, built)), Api(built.url) as api:
        yield api
