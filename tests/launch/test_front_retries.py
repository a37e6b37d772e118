"""An instance dies with a call in its hands: nginx asks the other one, when nothing can happen twice."""

import http.server
import json
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from config.launch.stack.layout import template
from tests.config.servers import eventually, free_port

pytestmark = pytest.mark.stack  # nginx comes with the stack


class _Answers(http.server.BaseHTTPRequestHandler):
    is_dead = False

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.is_dead:
            self.close_connection = True
            return
        self.send_response(201)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PATCH = _answer  # noqa: N815 (its names)

    def log_message(self, *_: Any) -> None:
        """Not into the test's output."""


class _Dies(_Answers):
    """Takes the whole call, and says nothing any more."""

    asked = 0

    def _answer(self) -> None:
        type(self).asked += 1
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.close_connection = True

    do_GET = do_POST = do_PATCH = _answer  # noqa: N815


@pytest.fixture
def instances() -> Iterator[list[int]]:
    """The ports of one that dies under each call, and of one that answers."""
    servers = [http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) for handler in (_Dies, _Answers)]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    yield [server.server_port for server in servers]
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def front(instances: list[int], tmp_path: Path) -> Iterator[str]:
    """nginx as the stack has it; it never leaves an instance alone, so that each second call meets the dying one."""
    tmp_path.chmod(0o755)
    port = free_port()
    values = {
        "NGINX_DIR": str(tmp_path),
        "NGINX_LISTEN": f"127.0.0.1:{port}",
        "NGINX_UPSTREAMS": "\n".join(f"server 127.0.0.1:{each} max_fails=0;" for each in instances),
    }
    text = template("nginx", "nginx.conf").read_text(encoding="utf-8")
    for name, value in values.items():
        text = text.replace(f"${{{name}}}", value)
    config = tmp_path / "nginx.conf"
    config.write_text(text, encoding="utf-8")
    nginx = subprocess.Popen(["/usr/sbin/nginx", "-p", str(tmp_path), "-c", str(config), "-e", "stderr"])
    url = f"http://127.0.0.1:{port}/v1/tasks"
    eventually(lambda: call(url, "GET")[0] == 201, "nginx answers")
    yield url
    nginx.terminate()
    nginx.wait()


def call(url: str, method: str, **headers: str) -> tuple[int, bytes]:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    body = None if method == "GET" else b"body"
    request = urllib.request.Request(url, data=body, method=method, headers=names)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except urllib.error.URLError:
        return 0, b""


def statuses(url: str, method: str, **headers: str) -> set[int]:
    before = _Dies.asked
    found = {call(url, method, **headers)[0] for _ in range(8)}
    assert _Dies.asked > before, "the dying one was asked too"
    return found


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_a_write_is_asked_of_the_other_instance_when_it_has_a_key(front: str, method: str) -> None:
    assert statuses(front, method, Idempotency_Key="a") == {201}
    assert call(front, method, Idempotency_Key="a") == (201, b"body")
    assert statuses(front, method) == {201, 503}, "without one it may have happened"


def test_a_read_is_asked_of_the_other_instance(front: str) -> None:
    assert statuses(front, "GET") == {201}


def test_what_nobody_answers_is_a_problem_document_with_a_key_too(front: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Answers, "is_dead", True)
    status, body = call(front, "POST", Idempotency_Key="a")
    assert (status, json.loads(body)["title"]) == (503, "Temporarily unavailable")
