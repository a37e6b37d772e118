"""What holds for every call: order of refusals, headers, methods, bodies, limits"""

import re
from collections.abc import Callable
from typing import Any

import pytest

from config.events.models import Event
from tasks_app.models import Task
from tests.cast import Answer, Caller, assert_problem
from tests.tasks_app.test_tasks_get import NO_TASK, where

pytestmark = pytest.mark.django_db
URL = "/v1/tasks"
BIG = b'{"title": "' + b"x" * 3_000_000 + b'"}'


def test_every_authenticated_answer_is_private_and_says_what_is_left(alice: Caller, bob: Caller) -> None:
    task = alice.make()
    answers = [
        alice.get(URL), alice.get(where(task)), alice.post(URL, {"title": "x"}), alice.patch(where(task), {}),
        bob.get(where(task)), alice.post(URL, {}), alice.get(URL, page_size=0), alice.call("PUT", URL, {}),
        alice.call("OPTIONS", URL), alice.call("HEAD", URL), alice.delete(where(task)),
    ]  # fmt: skip
    for answer in answers:
        assert answer.headers["Cache-Control"] in {"private, no-cache", "no-store"}
        assert answer.headers["Vary"] == "Authorization"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert re.match(r'"user";q=600;w=60', answer.headers["RateLimit-Policy"])
        assert re.match(r'"user";r=\d+;t=\d+', answer.headers["RateLimit"])
        assert "Set-Cookie" not in answer.headers


def test_an_anonymous_answer_carries_the_policy_of_its_address(anonymous: Caller) -> None:
    answer = anonymous.get(URL)
    assert_problem(answer, 401)
    assert (answer.headers["RateLimit-Policy"], answer.headers["Vary"]) == ('"ip";q=60;w=60', "Authorization")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="taskmill"'


PUBLIC = ["/v1/openapi.json", "/v1/docs", "/v1/redoc", "/v1/nothing", f"{URL}/", f"{URL}/not-an-id"]


@pytest.mark.parametrize("path", PUBLIC)
def test_a_public_answer_carries_the_policy_of_the_address(
    anonymous: Caller, limits: Callable[..., None], path: str
) -> None:
    limits(ip=(2, 60))
    first, second, refused = (anonymous.get(path) for _ in range(3))
    assert first.status_code == second.status_code in {200, 404}
    assert (first.headers["RateLimit-Policy"], refused.headers["RateLimit-Policy"]) == ('"ip";q=2;w=60',) * 2
    assert assert_problem(refused, 429)["violated-policies"] == ["ip"]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_an_unknown_path_is_a_call_like_any_other(
    alice: Caller, client_for: Callable[..., Caller], method: str
) -> None:
    for path, body in (("/v1/nothing", None), (f"{URL}/?x=1", b"{")):
        answer = alice.call(method, path, body)
        assert_problem(answer, 404, "not-found")
        assert answer.headers["RateLimit-Policy"] == '"user";q=600;w=60'
        assert answer.headers["Vary"] == "Authorization"
    assert_problem(client_for("alice", aud="account").call(method, "/v1/nothing"), 401)


def test_a_write_on_a_task_carries_its_policy_too(alice: Caller) -> None:
    task = alice.make()
    for answer in (alice.patch(where(task), {"title": "y"}), alice.delete(where(task))):
        assert answer.headers["RateLimit-Policy"] == '"user";q=600;w=60, "task";q=60;w=60'
        assert re.fullmatch(r'"user";r=\d+;t=\d+, "task";r=\d+;t=\d+', answer.headers["RateLimit"])


@pytest.mark.parametrize("sent", ["a", "A-b_c.9", "x" * 64])
def test_a_request_id_is_taken_over(alice: Caller, sent: str) -> None:
    answer = alice.call("POST", URL, {"title": "x"}, headers={"x-request-id": sent})
    assert answer.headers["X-Request-Id"] == sent
    assert Event.objects.get().request_id == sent


@pytest.mark.parametrize("sent", ["", "x" * 65, "a b", "a/b", "ä", "a\nb", "${jndi:x}", "'"])
def test_another_request_id_is_replaced(alice: Caller, sent: str) -> None:
    answer = alice.get(URL, headers={"x-request-id": sent})
    assert answer.headers["X-Request-Id"] != sent
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,64}", answer.headers["X-Request-Id"])


def test_a_trace_goes_on_into_the_event(alice: Caller) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    alice.call("POST", URL, {"title": "x"}, headers={"traceparent": trace})
    assert Event.objects.get().traceparent.split("-")[1] == trace.split("-")[1]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", URL, {"GET", "POST", "HEAD", "OPTIONS"}),
        ("DELETE", URL, {"GET", "POST", "HEAD", "OPTIONS"}),
        ("PATCH", URL, {"GET", "POST", "HEAD", "OPTIONS"}),
        ("POST", f"{URL}/{NO_TASK}", {"GET", "PATCH", "DELETE", "HEAD", "OPTIONS"}),
        ("PUT", f"{URL}/{NO_TASK}", {"GET", "PATCH", "DELETE", "HEAD", "OPTIONS"}),
        ("TRACE", URL, {"GET", "POST", "HEAD", "OPTIONS"}),
        ("QUERY", URL, {"GET", "POST", "HEAD", "OPTIONS"}),
    ],
)
def test_another_method_is_405_and_the_right_ones_are_named(
    alice: Caller, method: str, path: str, allowed: set[str]
) -> None:
    answer = alice.call(method, path)
    assert_problem(answer, 405, "method-not-allowed")
    assert set(answer.headers["Allow"].split(", ")) == allowed


@pytest.mark.parametrize("path", [f"{URL}/", f"{URL}/{NO_TASK}/", "/v1/", "/v1/nothing", "//v1/tasks", "/V1/tasks"])
def test_another_path_is_404(alice: Caller, path: str) -> None:
    assert_problem(alice.get(path), 404, "not-found")


OTHER_BODIES = {
    "chunked": (411, {"transfer-encoding": "chunked"}),
    "gzip": (415, {"content-encoding": "gzip"}),
    "deflate": (415, {"content-encoding": "identity, deflate"}),
}


@pytest.mark.parametrize("name", OTHER_BODIES)
def test_a_body_that_is_not_read_is_refused(alice: Caller, name: str) -> None:
    status, headers = OTHER_BODIES[name]
    assert_problem(alice.call("POST", URL, {"title": "x"}, headers=headers), status)
    assert Task.objects.count() == 0


def test_a_big_body_is_413_and_the_limit_is_told(alice: Caller, settings: Any) -> None:
    problem = assert_problem(alice.post(URL, BIG), 413, "too-large")
    assert problem["limit"] == settings.MAX_BODY_BYTES == 1_000_000
    exact = b'{"title": "x", "description": ' + b" " * (1_000_000 - 34) + b'""}'
    assert len(exact) <= 1_000_000
    assert alice.post(URL, exact).status_code == 201


@pytest.mark.parametrize("length", ["-1", "1e3", "x", "0x10", "\u0661", "1 2"])
def test_a_length_that_is_no_number_is_400(alice: Caller, length: str) -> None:
    answer = alice._client.generic(
        "POST", URL, b"{}", "application/json", headers=alice._headers, CONTENT_LENGTH=length
    )
    assert_problem(answer, 400, "bad-request")


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/xml",
     "application/merge-patch+json", "application/jsonx", "application", "*/*", ""],
)  # fmt: skip
def test_another_media_type_is_415(alice: Caller, content_type: str) -> None:
    answer = alice.call("POST", URL, b'{"title": "x"}', content_type=content_type)
    assert_problem(answer, 415, "unsupported-media-type")
    assert Task.objects.count() == 0


def test_the_order_of_refusals(alice: Caller, vera: Caller, anonymous: Caller, limits: Callable[..., None]) -> None:
    """401, then 403 for the role, then 400, 413 and 415, then 404."""
    wrong = {"idempotency-key": '"', "consistency-token": "x", "content-encoding": "gzip"}
    path = f"{URL}/{NO_TASK}"

    def statuses(caller: Caller) -> list[int]:
        calls: list[Answer] = [
            caller.post(URL, BIG),
            caller.call("POST", URL, b"{", headers=wrong),
            caller.call("POST", f"{URL}?x=1", b"x", content_type="text/plain"),
            caller.call("PATCH", path, b"{", headers={"if-match": "1"}),
            caller.call("PATCH", path, {"title": "x"}),
        ]
        return [answer.status_code for answer in calls]

    assert statuses(anonymous) == [401] * 5
    assert statuses(vera) == [403] * 5
    assert statuses(alice) == [413, 400, 400, 400, 404]


def test_429_comes_before_everything_but_the_token(
    alice: Caller, vera: Caller, anonymous: Caller, limits: Callable[..., None]
) -> None:
    limits(user=(1, 60), ip=(1, 60))
    for caller in (alice, vera, anonymous):
        caller.get(URL)
        for answer in (caller.get(URL), caller.post(URL, BIG), caller.get(f"{URL}/{NO_TASK}")):
            problem = assert_problem(answer, 429, "quota-exceeded")
            assert problem["violated-policies"] == ["ip" if caller is anonymous else "user"]
            assert 1 <= int(answer.headers["Retry-After"]) <= 61
            assert ";r=0;" in answer.headers["RateLimit"]


def test_the_policy_task_counts_the_writes_on_one_task(alice: Caller, limits: Callable[..., None]) -> None:
    limits(task=(2, 60))
    one, other = alice.make(), alice.make()
    for title in ("a", "b"):
        assert alice.patch(where(one), {"title": title}).status_code == 200
    refused = alice.patch(where(one), {"title": "c"})
    assert assert_problem(refused, 429)["violated-policies"] == ["task"]
    assert int(refused.headers["Retry-After"]) >= 1
    assert_problem(alice.delete(where(one)), 429)
    assert alice.get(where(one)).json()["title"] == "b"
    assert alice.patch(where(other), {"title": "a"}).status_code == 200


def test_a_stranger_neither_uses_up_nor_sees_the_writes_of_others(
    alice: Caller, bob: Caller, limits: Callable[..., None]
) -> None:
    limits(task=(3, 60))
    task = alice.make()
    alice.patch(where(task), {"title": "a"})
    answers = [bob.patch(where(task), {"title": "x"}) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [404, 404, 404, 429, 429]
    unknown = bob.patch(f"{URL}/{NO_TASK}", {"title": "x"})
    assert answers[0].headers["RateLimit"].partition("task")[2] == unknown.headers["RateLimit"].partition("task")[2]
    assert alice.patch(where(task), {"title": "b"}).status_code == 200


def test_an_address_cannot_get_around_its_limit(anonymous: Caller, limits: Callable[..., None]) -> None:
    limits(ip=(3, 60))
    spoofed = [
        {"x-forwarded-for": f"10.0.0.{n}", "forwarded": f"for=10.0.0.{n}", "x-real-ip": f"10.0.0.{n}"} for n in range(5)
    ]
    statuses = [anonymous.get(URL, headers=headers).status_code for headers in spoofed]
    assert statuses == [401, 401, 401, 429, 429]


def test_an_answer_without_a_body_has_no_length(alice: Caller) -> None:
    task = alice.make()
    answers = [
        alice.get(where(task), headers={"if-none-match": "*"}), alice.call("OPTIONS", URL), alice.delete(where(task)),
    ]  # fmt: skip
    assert [answer.status_code for answer in answers] == [304, 204, 204]
    for answer in answers:
        assert not {"Content-Length", "Content-Type"} & answer.headers.keys()


@pytest.mark.parametrize("body", [{"title": "x"}, [], b"null", b"{", b'"x"'])
def test_a_call_that_takes_no_body_refuses_one(alice: Caller, body: Any) -> None:
    task = alice.make()
    assert_problem(alice.call("DELETE", where(task), body), 400, "invalid-body")
    assert_problem(alice.call("POST", f"{where(task)}/restore", body), 400)
    assert alice.get(where(task)).json() == task


def test_a_call_that_takes_no_body_takes_an_empty_object(alice: Caller) -> None:
    task = alice.make()
    assert alice.call("DELETE", where(task), {}).status_code == 204
    assert alice.call("POST", f"{where(task)}/restore", {}).status_code == 200


def test_a_write_says_its_consistency_token_and_a_read_does_not(alice: Caller) -> None:
    task = alice.make()
    tokens = {
        alice.post(URL, {"title": "x"}).headers["Consistency-Token"],
        alice.delete(where(task)).headers["Consistency-Token"],
    }
    assert all(tokens)
    assert "Consistency-Token" not in alice.get(URL).headers


def test_no_error_tells_of_the_inside(alice: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("SELECT secret FROM inside")

    monkeypatch.setattr("tasks_app.services.tasks.create", broken)
    answer = alice.post(URL, {"title": "x"})
    assert_problem(answer, 500, "internal")
    assert b"secret" not in answer.content
    assert b"Traceback" not in answer.content
