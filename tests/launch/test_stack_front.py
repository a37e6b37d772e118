"""nginx in front of two instances: one may die, and what nginx answers itself is a problem document."""

import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from config.launch.client import LocalSystem


@pytest.fixture
def front(stack: LocalSystem) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=stack.api_url, timeout=10) as client:
        yield client


def test_requests_go_on_while_one_instance_dies(stack: LocalSystem, front: httpx.Client) -> None:
    """A GET that meets a dead instance is asked of the other."""
    instance = stack.part("api-1")
    statuses = [front.get("/livez").status_code for _ in range(20)]
    instance.kill()
    try:
        statuses += [front.get("/livez").status_code for _ in range(100)]
    finally:
        instance.start()
    assert set(statuses) == {200}


def test_no_instance_is_a_problem_that_says_when_to_come_back(stack: LocalSystem, front: httpx.Client) -> None:
    instances = [stack.part("api-1"), stack.part("api-2")]
    for instance in instances:
        instance.stop()
    try:
        answer = front.get("/livez", headers={"X-Request-Id": "drill-1"})
    finally:
        for instance in instances:
            instance.start()
    assert answer.status_code == 503
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Retry-After"] == "2"
    assert answer.json()["request_id"] == answer.headers["X-Request-Id"] == "drill-1"


@pytest.mark.parametrize(
    ("request_line", "header", "status"),
    [
        ("GET / HTTP/1.1", "Host: a b", 400),
        (f"GET /{'a' * 9000} HTTP/1.1", "Host: 127.0.0.1", 414),
        ("GET / HTTP/1.1", f"Host: 127.0.0.1\r\nX-Large: {'a' * 9000}", 431),
        ("POST /v1/tasks HTTP/1.1", "Host: 127.0.0.1\r\nContent-Length: 99999999", 413),
    ],
    ids=["malformed", "long address", "long header", "large body"],
)
def test_request_that_never_reaches_the_api_is_a_problem(
    stack: LocalSystem, request_line: str, header: str, status: int
) -> None:
    address = urlsplit(stack.api_url)
    with socket.create_connection((address.hostname, address.port), timeout=5) as connection:
        connection.sendall(f"{request_line}\r\n{header}\r\n\r\n".encode())
        answer = connection.recv(4096).decode()
    assert answer.startswith(f"HTTP/1.1 {status} ")
    assert "Content-Type: application/problem+json" in answer
    assert f'"status":{status}' in answer


def test_request_id_of_the_caller_goes_through(front: httpx.Client) -> None:
    assert front.get("/livez", headers={"X-Request-Id": "mine-1"}).headers["X-Request-Id"] == "mine-1"
