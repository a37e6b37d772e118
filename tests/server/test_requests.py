"""What clients send, in whole and in pieces, and what they get. Each test has the real server on the other side."""

import json
from contextlib import ExitStack

import pytest

from tests.observability.server import Server
from tests.server.client import Client

pytestmark = pytest.mark.process

REFUSED = {
    "a control character": (b"GET /livez HTTP/1.1\r\nHost: x\r\nX-A: a\x01b\r\n\r\n", 400),
    "no method": (b"get /livez HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "two lengths": (b"POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
    "a length beside chunks": (
        b"POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    "an unknown coding": (b"POST /livez HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: odd\r\n\r\n", 501),
    "eighty headers": (b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: 1\r\n" % n for n in range(80)) + b"\r\n", 431),
    "a long line": (b"GET /" + b"x" * 9_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_refused_as_a_problem(server: Server, name: str) -> None:
    request, status = REFUSED[name]
    with Client(server.port) as client:
        client.send(request)
        answer = client.answer()
        assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json")
        assert json.loads(answer.body)["request_id"] == answer.headers["x-request-id"]
        assert client.is_over()


def test_requests_sent_together_are_answered_in_their_order(server: Server) -> None:
    with Client(server.port) as client:
        for target in ("/v1/tasks/tell?1", "/sleep?seconds=0.1", "/v1/tasks/tell", "/taken"):
            client.ask("GET", target)
        bodies = [client.answer().body.split()[:2] for _ in range(4)]
    assert bodies[:3] == [[b"GET", b"/v1/tasks/tell"], [b"slept"], [b"GET", b"/v1/tasks/tell"]]
    assert bodies[3][0].isdigit()


def test_many_requests_in_one_piece_are_all_answered(server: Server) -> None:
    with Client(server.port) as client:
        client.send(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n" * 3_000)
        assert {client.answer().status for _ in range(3_000)} == {200}


def test_a_request_in_single_bytes_is_one_request(server: Server) -> None:
    with Client(server.port) as client:
        for byte in b"POST /v1/tasks/tell HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello":
            client.send(bytes([byte]))
        assert b"POST /v1/tasks/tell x hello" in client.answer().body


def test_half_sent_bodies_hold_up_nobody(server: Server) -> None:
    with ExitStack() as stack:
        slow = [stack.enter_context(Client(server.port)) for _ in range(30)]
        for client in slow:
            client.send(b"POST /v1/tasks/tell HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhello")
        assert server.get("/sleep?seconds=0")[0] == 200
        for client in slow:
            client.send(b"world")
            assert b"helloworld" in client.answer().body


@pytest.mark.parametrize("framing", [b"Content-Length: 50000000", b"Transfer-Encoding: chunked"])
def test_an_answer_that_needs_no_body_waits_for_none_and_ends_the_connection(server: Server, framing: bytes) -> None:
    with Client(server.port) as client:
        client.send(b"POST /v1/tasks/tell HTTP/1.1\r\nHost: x\r\n" + framing + b"\r\n\r\n")
        answer = client.answer()
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        client.send(b"1\r\nx\r\n" * 50_000)  # thrown away, and no reset that would take the answer along
        assert client.is_over()


def test_what_is_sent_past_a_call_in_a_thread_is_thrown_away_too(server: Server) -> None:
    """A client that reads no answer before all is sent would wait for the server's end, and then find a reset."""
    with Client(server.port) as client:
        client.send(b"POST /sleep?seconds=0.3 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        client.send((b"2710\r\n" + b"x" * 10_000 + b"\r\n") * 2_000)
        assert client.answer().body == b"slept"
        assert client.is_over()


def test_a_client_that_waits_for_100_gets_it_and_only_for_a_body_that_is_read(server: Server) -> None:
    with Client(server.port) as client:
        client.send(b"POST /v1/tasks/tell HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert client.answer().status == 100
        client.send(b"ab")
        assert b" ab " in client.answer().body
        client.send(
            b"POST /v1/tasks/tell HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\nExpect: 100-continue\r\n\r\n"
        )
        assert client.answer().status == 200


def test_head_has_the_head_of_get_and_no_body(server: Server) -> None:
    with Client(server.port) as client:
        for target in ("/livez", "/stream"):
            client.ask("HEAD", target)
            assert int(client.answer(with_body=False).headers["content-length"]) > 0
        client.ask("GET", "/livez")
        assert client.answer().body == b"alive"


def test_an_answer_without_a_body_is_the_end_of_its_call(server: Server) -> None:
    """Nothing is left to do in the loop, where Django would refuse it, and the next answer is that of the next call."""
    with Client(server.port) as client:
        for method, target in (
            ("GET", "/v1/tasks/empty"),
            ("HEAD", "/livez"),
            ("HEAD", "/stream"),
            ("HEAD", "/sleep?seconds=0"),
        ):
            client.ask(method, target)
            assert client.answer(with_body=False).status in {200, 204}
            client.ask("GET", "/livez")
            assert client.answer().body == b"alive"
    assert server.lines(event="connections looked at in the loop") == []


def test_the_absolute_form_names_the_host(server: Server) -> None:
    with Client(server.port) as client:
        client.ask("GET", "http://localhost/v1/tasks/tell")
        assert client.answer().body.startswith(b"GET /v1/tasks/tell localhost")


@pytest.mark.parametrize("target", ["http://[::1/v1/tasks/tell", "http://a]/v1/tasks/tell", "http:///v1/tasks/tell"])
def test_an_absolute_form_without_a_right_host_is_left_to_the_application(server: Server, target: str) -> None:
    """It refuses the host as it would one in a header; a parser of URLs that fails would leave no answer at all."""
    with Client(server.port) as client:
        client.ask("GET", target)
        host = target.split("/")[2].encode()
        assert client.answer().body.startswith(b"GET /v1/tasks/tell " + host + b" ")


def test_names_with_an_underscore_do_not_pass_for_others(server: Server) -> None:
    with Client(server.port) as client:
        client.ask("GET", "/v1/tasks/tell", **{"X_Forwarded_For": "10.0.0.1", "X-Other": "1"})
        told = client.answer().body
        assert b"X_OTHER" in told
        assert b"FORWARDED" not in told


def test_a_name_that_stands_there_twice_has_both_values(server: Server) -> None:
    """Or whoever comes through two proxies could name himself in the one that is not looked at."""
    with Client(server.port) as client:
        client.send(b"GET /v1/tasks/tell HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 1\r\nX-forwarded-for: 2\r\n\r\n")
        assert b"HTTP_X_FORWARDED_FOR=1,2" in client.answer().body


@pytest.mark.parametrize(
    ("head", "connection"),
    [
        (b"HTTP/1.0\r\n", "close"),
        (b"HTTP/1.0\r\nConnection: keep-alive\r\n", "keep-alive"),
        (b"HTTP/1.1\r\nConnection: close\r\n", "close"),
        (b"HTTP/1.1\r\n", None),
    ],
)
def test_a_connection_stays_as_the_client_wants(server: Server, head: bytes, connection: str | None) -> None:
    with Client(server.port) as client:
        client.send(b"GET /livez " + head + b"Host: x\r\n\r\n")
        assert client.answer().headers.get("connection") == connection
        if connection != "close":
            client.ask("GET", "/livez")
            assert client.answer().status == 200
        else:
            assert client.is_over()


def test_what_django_does_not_catch_is_a_problem_too(server: Server) -> None:
    with Client(server.port) as client:
        client.ask("GET", "/v1/tasks/fail")
        answer = client.answer()
    assert (answer.status, answer.headers["content-type"]) == (500, "application/problem+json")
    assert server.lines(event="a call failed in the server")
