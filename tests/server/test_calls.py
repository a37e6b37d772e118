"""Slow calls, long polls and streams beside quick calls, and the end of a worker. On the real server."""

import os
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from config.cache import shelf
from config.server.calls import Calls
from tests.config.servers import eventually
from tests.observability import samples
from tests.observability.server import Server
from tests.server.application import PIECE, PIECES, application
from tests.server.client import Client

pytestmark = pytest.mark.process


def test_calls_in_threads_do_not_hold_up_quick_ones(server: Server) -> None:
    with Client(server.port) as slow, Client(server.port) as quick:
        slow.ask("GET", "/sleep?seconds=1")
        for _ in range(20):
            quick.ask("GET", "/livez")
            assert quick.answer().body == b"alive"
        slow.socket.setblocking(False)
        with pytest.raises(BlockingIOError):  # all twenty came first
            slow.socket.recv(1)
        slow.socket.setblocking(True)
        assert slow.answer().body == b"slept"


def test_the_loop_does_not_wait_long_for_what_another_call_reads(server: Server) -> None:
    with Client(server.port) as client:
        client.ask("GET", "/patience")
        assert float(client.answer().body) * 1000 < shelf.LEASE


@pytest.mark.parametrize("query", ["q=x", "%71=x"])
def test_a_slow_query_has_a_thread_however_its_name_is_written(query: str) -> None:
    calls = Calls(application, 1)
    assert not calls.is_short({"PATH_INFO": "/v1/tasks", "QUERY_STRING": query})
    assert calls.is_short({"PATH_INFO": "/v1/tasks", "QUERY_STRING": "status=pending"})


def test_after_a_slow_call_all_have_threads_for_a_while(server: Server) -> None:
    """A frozen database would hold up the loop at every call otherwise."""
    with ExitStack() as stack:
        first, second, third = (stack.enter_context(Client(server.port)) for _ in range(3))
        first.ask("GET", "/v1/tasks/sleep?seconds=1.2")
        assert first.answer().body == b"slept"
        second.ask("GET", "/v1/tasks/sleep?seconds=1")
        third.ask("GET", "/livez")
        assert third.answer().body == b"alive"
        second.socket.setblocking(False)
        with pytest.raises(BlockingIOError):
            second.socket.recv(1)
    assert samples.total(samples.scrape(server.metrics_port), "taskmill_slow_calls_total")


def waiting(server: Server) -> int:
    with Client(server.port) as client:
        client.ask("GET", "/waiting")
        return int(client.answer().body)


def test_five_hundred_long_polls_hold_up_nobody_and_are_all_answered(tmp_path: Path) -> None:
    """Told the same news at once, they are answered one at each turn of the loop, others' calls in between."""
    # Also on a machine that stands still for a second no call is given a thread.
    server = Server(tmp_path, "tests.server.application", API_WORKERS="1", API_THREADS="2", TEST_SLOW="60")
    with ExitStack() as stack:
        polls = [stack.enter_context(Client(server.port, 60)) for _ in range(500)]
        for poll in polls:
            poll.ask("GET", "/v1/changes?seconds=0")  # until they are woken
        eventually(lambda: waiting(server) == 500, "the waiting")
        assert server.get("/sleep?seconds=0")[0] == 200  # in a thread, of which there are two
        other = stack.enter_context(Client(server.port, 60))
        # Sent together: each of these calls takes a turn.
        targets = ["/v1/tasks/told", "/v1/tasks/wake", *["/livez"] * 20, "/v1/tasks/told"]
        other.send("".join(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n" for target in targets).encode())
        before, *_, after = [other.answer().body for _ in targets]
        assert int(before) == 0
        assert int(after) < 500
        assert {poll.answer().body for poll in polls} == {b"news"}
        assert waiting(server) == 0
    assert server.stop() == 0


def test_a_view_may_wait_again_after_news_and_the_connection_goes_on(server: Server) -> None:
    with Client(server.port) as client:
        client.ask("GET", "/v1/changes?seconds=0.1&rounds=3")
        client.ask("GET", "/livez")  # sent ahead, answered in its order
        assert [client.answer().body for _ in range(2)] == [b"news", b"alive"]


def test_a_client_that_hangs_up_while_it_waits_frees_everything(server: Server) -> None:
    with ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(Client(server.port)).ask("GET", "/v1/changes?seconds=300")
        eventually(lambda: waiting(server) == 100, "the waiting")
    eventually(lambda: waiting(server) == 0, "the end of the waiting")


@pytest.mark.parametrize("target", ["/livez", "/sleep?seconds=0.5"])
def test_who_ends_only_his_own_side_is_answered(server: Server, target: str) -> None:
    with Client(server.port) as client:
        client.ask("GET", target)
        client.socket.shutdown(socket.SHUT_WR)
        assert client.answer().body in {b"alive", b"slept"}
        assert client.is_over()


def test_what_was_sent_before_a_client_ended_his_side_is_all_answered(server: Server) -> None:
    with Client(server.port) as client:
        for target in ("/sleep?seconds=0.3", "/sleep?seconds=0.1", "/livez"):
            client.ask("GET", target)
        client.socket.shutdown(socket.SHUT_WR)
        assert [client.answer().body for _ in range(3)] == [b"slept", b"slept", b"alive"]
        assert client.is_over()


def test_a_stream_is_read_as_fast_as_its_client_takes_it(server: Server) -> None:
    with Client(server.port) as slow, Client(server.port) as other:
        slow.ask("GET", "/stream")
        asked = [b"", b" "]
        while asked[-1] != asked[-2]:  # until the server waits for the client
            time.sleep(0.2)
            other.ask("GET", "/taken")
            asked.append(other.answer().body)
        assert int(asked[-1]) < PIECES
        assert slow.answer().body == PIECE * PIECES
        slow.ask("GET", "/livez")
        assert slow.answer().body == b"alive"


def drain(client: Client) -> None:
    while client.socket.recv(1_000_000):
        pass


@pytest.mark.parametrize("target", ["/broken", "/broken?endless=1"])
def test_a_stream_that_breaks_off_does_not_look_whole(server: Server, target: str) -> None:
    """An endless one is whole when its connection ends in order."""
    with Client(server.port) as client:
        client.ask("GET", target)
        with pytest.raises(ConnectionResetError):
            drain(client)
    eventually(lambda: server.lines(event="a stream broke off"), "the line")


def test_a_client_that_leaves_in_the_middle_of_a_stream_ends_it(server: Server) -> None:
    with Client(server.port) as client:
        client.ask("GET", "/stream")
        client.socket.recv(1)
    before = ""
    with Client(server.port) as other:
        while True:
            other.ask("GET", "/taken")
            now = other.answer().body.decode()
            if now == before:
                break
            before = now
            time.sleep(0.2)
    assert int(before) < PIECES


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGKILL])
def test_no_request_is_lost_while_workers_are_replaced(tmp_path: Path, number: signal.Signals) -> None:
    """SIGHUP to the master replaces all at once; a killed worker loses only what it was answering."""
    server = Server(tmp_path, "tests.server.application", API_WORKERS="2")
    stop, lost = threading.Event(), []

    def keep_asking(_: int) -> int:
        done = 0
        while not stop.is_set():
            with Client(server.port) as client:
                while not stop.is_set():
                    client.ask("GET", "/livez")
                    try:
                        answer = client.answer()
                    except (EOFError, ConnectionResetError) as error:
                        lost.append(error)
                        break
                    done += 1
                    if answer.headers.get("connection") == "close":
                        break
        return done

    first = server.workers()
    with ThreadPoolExecutor(4) as threads:
        asking = [threads.submit(keep_asking, n) for n in range(4)]
        if number == signal.SIGHUP:
            server.process.send_signal(number)
        else:
            os.kill(first[0], number)
        eventually(lambda: len(set(server.workers()) - set(first)) == (2 if number == signal.SIGHUP else 1), "new ones")
        eventually(lambda: len(server.workers()) == 2, "the end of the old ones", within=20)
        stop.set()
        assert sum(done.result() for done in asking) > 0
    assert server.stop() == 0
    assert len(lost) <= (0 if number == signal.SIGHUP else 4)


def test_a_stop_waits_for_calls_and_ends_long_polls(tmp_path: Path) -> None:
    server = Server(tmp_path, "tests.server.application", API_WORKERS="1")
    with Client(server.port) as call, Client(server.port) as poll, Client(server.port) as idle:
        call.ask("GET", "/sleep?seconds=2")
        poll.ask("GET", "/v1/changes?seconds=300")
        idle.ask("GET", "/livez")
        idle.answer()
        eventually(lambda: waiting(server) == 1, "the waiting")
        assert server.stop() == 0
        assert call.answer().body == b"slept"
        assert poll.answer().body == b"nothing"  # long before its time is over
        assert idle.is_over()
