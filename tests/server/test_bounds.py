"""What a server gives nobody for ever: time, connections, memory, its own life. Bounds made small."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.config.servers import eventually
from tests.observability.server import Server
from tests.server.application import PIECE, PIECES
from tests.server.client import Answer, Client

pytestmark = pytest.mark.process
CONNECTIONS = 8


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A second for everything, and few connections."""
    server = Server(
        tmp_path_factory.mktemp("hasty"),
        "tests.server.application",
        API_WORKERS="1",
        TEST_DEADLINES="1",
        GUNICORN_CMD_ARGS=f"--keep-alive 3 --worker-connections {CONNECTIONS}",
    )
    yield server
    if server.process.poll() is None:
        server.stop()


def assert_timeout(client: Client) -> None:
    answer = client.answer()
    assert (answer.status, answer.headers["content-type"]) == (408, "application/problem+json")
    assert json.loads(answer.body)["request_id"] == answer.headers["x-request-id"]
    assert client.is_over()


def test_a_head_that_does_not_end_is_408(hasty: Server) -> None:
    with Client(hasty.port) as client:
        client.send(b"GET /livez HTTP/1.1\r\nHost: ")
        assert_timeout(client)


def test_a_body_that_does_not_end_is_408(hasty: Server) -> None:
    with Client(hasty.port) as client:
        client.send(b"POST /v1/tasks/tell HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhello")
        assert_timeout(client)


def test_a_connection_that_says_nothing_is_closed(hasty: Server) -> None:
    with Client(hasty.port) as first, Client(hasty.port) as kept:
        kept.ask("GET", "/livez")
        assert kept.answer().status == 200
        assert first.is_over()
        assert kept.is_over()


def test_a_download_that_nobody_takes_is_ended(hasty: Server) -> None:
    with Client(hasty.port) as client, ExitStack() as stack:
        client.ask("GET", "/stream")
        other = stack.enter_context(Client(hasty.port))
        other.ask("GET", "/v1/changes?seconds=4")  # a while in which nothing is taken
        assert other.answer().body == b"news"
        taken = 0
        with suppress(ConnectionResetError):
            while piece := client.socket.recv(1_000_000):
                taken += len(piece)
        assert taken < len(PIECE) * PIECES


def test_no_more_connections_are_taken_than_may_be(hasty: Server) -> None:
    """The next one waits in the listener until one goes."""
    with ExitStack() as stack:
        polls = []
        for _ in range(CONNECTIONS - 1):
            polls.append(stack.enter_context(Client(hasty.port)))
            polls[-1].ask("GET", "/v1/changes?seconds=0")  # until they hang up
        last = stack.enter_context(Client(hasty.port))

        def waiting() -> int:
            last.ask("GET", "/waiting")
            return int(last.answer().body)

        eventually(lambda: waiting() == CONNECTIONS - 1, "the waiting")
        late = stack.enter_context(Client(hasty.port, 60))
        late.ask("GET", "/livez")
        for _ in range(20):
            last.ask("GET", "/livez")
            last.answer()
        late.socket.setblocking(False)
        with pytest.raises(BlockingIOError):
            late.socket.recv(1)
        late.socket.settimeout(60)
        polls[0].__exit__(None, None, None)
        assert late.answer().status == 200


def test_what_is_sent_during_a_call_is_not_taken_in_without_end(hasty: Server) -> None:
    with Client(hasty.port) as client:
        client.ask("GET", "/v1/changes?seconds=3")
        client.socket.settimeout(1)
        sent, more = 0, b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n" * 10_000
        with suppress(TimeoutError):
            while sent < 60_000_000:
                sent += client.socket.send(more)
        assert sent < 50_000_000  # what the kernel keeps for both sides is a tenth of it


def test_a_worker_that_has_answered_enough_is_replaced_and_loses_no_call(tmp_path: Path) -> None:
    server = Server(
        tmp_path,
        "tests.server.application",
        API_WORKERS="1",
        GUNICORN_CMD_ARGS="--max-requests 20 --max-requests-jitter 0",
    )
    first = server.workers()
    closed = 0
    with ExitStack() as stack:
        client = stack.enter_context(Client(server.port))

        def ask() -> Answer:
            nonlocal client, closed
            client.ask("GET", "/livez")
            answer = client.answer()
            if answer.headers.get("connection") == "close":
                closed += 1
                client = stack.enter_context(Client(server.port, 60))
            return answer

        assert {ask().status for _ in range(60)} == {200}
        assert closed >= 2  # after the last call of a worker
        eventually(lambda: server.workers() and not set(server.workers()) & set(first), "another worker")
    assert server.stop() == 0
