"""Requests that no client library sends: whatever a server refuses by itself is a problem document all the same."""

import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from tests.journeys.system import System

pytestmark = pytest.mark.stack

CODECS = ("rot13", "hex", "zlib", "punycode", "undefined", "utf-16", "utf-7")
# Of several lines each; `{auth}` stands for a valid token's line.
REFUSED: dict[str, tuple[bytes, int]] = {
    "TRACE": (b"TRACE /v1/tasks HTTP/1.1\r\nHost: x\r\n{auth}\r\n\r\n", 405),
    "HTTP/2.0 in words": (b"GET /v1/tasks HTTP/2.0\r\nHost: x\r\n{auth}\r\n\r\n", 505),
    "an unknown transfer coding": (
        b"POST /v1/tasks HTTP/1.1\r\nHost: x\r\n{auth}\r\nTransfer-Encoding: odd\r\n\r\n0\r\n\r\n",
        501,
    ),
    "a path that is not ASCII": (b"GET /v1/\xff HTTP/1.1\r\nHost: x\r\n{auth}\r\n\r\n", 400),
    "a query that is not ASCII": (b"GET /v1/tasks?q=\xff HTTP/1.1\r\nHost: x\r\n{auth}\r\n\r\n", 400),
    "a control character in a header": (b"GET /v1/me HTTP/1.1\r\nHost: x\r\n{auth}\r\nX-A: a\x01b\r\n\r\n", 400),
    "eighty headers": (
        b"GET /v1/me HTTP/1.1\r\nHost: x\r\n{auth}\r\n" + b"".join(b"X-%d: 1\r\n" % n for n in range(80)) + b"\r\n",
        431,
    ),
    "NUL in the path": (b"GET /v1/%00 HTTP/1.1\r\nHost: x\r\n{auth}\r\n\r\n", 400),
    "two lengths": (b"POST /v1/tasks HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
    "no method": (b"get /v1/tasks HTTP/1.1\r\nHost: x\r\n{auth}\r\n\r\n", 400),
}


def answered(url: str, request: bytes) -> tuple[int, dict[str, str], bytes]:
    where = urlsplit(url)
    with socket.create_connection((str(where.hostname), int(where.port or 80)), timeout=10) as connection:
        connection.sendall(request)
        received = b""
        while not _whole(received) and (more := connection.recv(65536)):
            received += more
    head, _, body = received.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return int(status.split()[1]), headers, body


def _whole(received: bytes) -> bool:
    head, end, body = received.partition(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length: ")]
    return bool(end) and bool(lengths) and len(body) >= int(lengths[0].partition(b": ")[2])


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_servers_refuse_themselves_is_a_problem_too(real_system: System, name: str) -> None:
    request, expected = REFUSED[name]
    authorization = f"Authorization: Bearer {real_system.local.token('alice')}".encode()
    status, headers, body = answered(real_system.url, request.replace(b"{auth}", authorization))
    assert status == expected, body
    assert headers["content-type"] == "application/problem+json"
    problem = json.loads(body)
    assert problem["status"] == status
    assert problem["request_id"] == headers["x-request-id"]
    assert {"type", "title", "detail", "instance"} <= problem.keys()


def test_an_instance_answers_so_without_the_load_balancer(real_system: System) -> None:
    for name in ("a control character in a header", "eighty headers", "no method"):
        request, expected = REFUSED[name]
        instance = real_system.local.part("api-1").url
        status, headers, body = answered(instance, request.replace(b"{auth}", b"X-B: b"))
        assert (status, headers["content-type"]) == (expected, "application/problem+json"), name
        assert json.loads(body)["request_id"] == headers["x-request-id"]


@pytest.mark.parametrize("charset", CODECS)
@pytest.mark.parametrize("path", ["/v1/tasks?q=abc", "/readyz?verbose", "/oidc/callback/?x=y", "/admin/?x=y"])
def test_a_charset_does_not_choose_how_the_query_is_read(real_system: System, charset: str, path: str) -> None:
    alice = real_system.caller("alice")
    plain = alice.get(path)
    odd = alice.get(path, headers={"Content-Type": f"text/plain; charset={charset}"})
    assert odd.status_code == plain.status_code < 500


@pytest.mark.parametrize("odd", ["boundary*; boundary*0", "x*=none''y", "x*=hex''y", "=; ;*0*=''"])
def test_a_content_type_that_cannot_be_read_is_none(real_system: System, odd: str) -> None:
    alice = real_system.caller("alice")
    headers = {"Content-Type": f"application/json; {odd}"}
    assert alice.get("/v1/me", headers=headers).status_code == 200
    answer = alice.http.post("/v1/tasks", content=b'{"title": "", "x": 1}', headers=headers)
    assert answer.status_code in {400, 415}
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_a_body_of_many_members_is_refused_quickly(real_system: System) -> None:
    members = ",".join(f'"{n:x}":1' for n in range(90_000))
    alice = real_system.caller("alice")
    for body, listed in ((f'{{{members},"z":1,"z":2}}', 0), (f"{{{members}}}", 1_000)):
        began = time.monotonic()
        answer = alice.http.post("/v1/tasks", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 400
        assert len(answer.json().get("errors", [])) == listed
        assert time.monotonic() - began < 20  # minutes, were each member compared with each


def test_the_limit_of_unfinished_exports_holds_for_requests_at_the_same_time(real_system: System) -> None:
    bob = real_system.caller("bob")
    for export in bob.pages("/v1/exports"):
        bob.delete(f"/v1/exports/{export['id']}")
    worker = real_system.local.part("worker-export")
    worker.stop()
    try:
        with ThreadPoolExecutor(16) as threads:
            callers = [real_system.with_token(bob.token) for _ in range(16)]
            answers = list(threads.map(lambda caller: caller.post("/v1/exports", {"format": "csv"}), callers))
    finally:
        worker.start()
    made = [answer.headers["Location"] for answer in answers if answer.status_code == 202]
    for path in made:
        bob.delete(path)
    assert len(made) == 5
    assert {answer.status_code for answer in answers} == {202, 409}
