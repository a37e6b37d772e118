"""Bad input gets a clear problem, changes nothing, and leaves one valid log line. Against the running servers."""

import json
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.journeys.system import Caller, System

pytestmark = pytest.mark.stack

BODIES: dict[str, tuple[bytes, int, str]] = {
    "broken JSON": (b'{"title": "x"', 400, "not valid JSON"),
    "no body": (b"", 400, ""),
    "not an object": (b"[]", 400, ""),
    "unknown field": (b'{"title": "x", "owner": "me"}', 400, ""),
    "several bad fields": (b'{"title": 5, "priority": "top", "labels": "a", "nope": 1}', 400, ""),
    "wrong type": (b'{"title": 5}', 400, ""),
    "blank title": (b'{"title": " \\t "}', 400, ""),
    "long title": (json.dumps({"title": "x" * 201}).encode(), 400, ""),
    "NUL": (b'{"title": "a\\u0000b"}', 400, "NUL"),
    "lone surrogate": (b'{"title": "\\ud800"}', 400, "surrogate"),
    "not UTF-8": (b'{"title": "\xff"}', 400, "UTF-8"),
    "UTF-16": ('{"title": "x"}'.encode("utf-16"), 400, "UTF-8"),
    "NaN": (b'{"title": NaN}', 400, "NaN"),
    "duplicate member": (b'{"title": "a", "title": "b"}', 400, "twice"),
    "deep nesting": (b"[" * 100_000 + b"]" * 100_000, 400, "nested"),
    "huge number": (b'{"title": ' + b"9" * 100_000 + b"}", 400, ""),
    "2 MB": (json.dumps({"title": "x", "description": "y" * 2_000_000}).encode(), 413, ""),
}


@pytest.fixture
def alice(real_system: System) -> Caller:
    return real_system.caller("alice")


def newest(caller: Caller) -> Any:
    return caller.get("/v1/tasks", params={"page_size": 1}).raise_for_status().json()["results"]


def assert_problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == status
    assert problem["request_id"] == answer.headers["X-Request-Id"]
    assert {"type", "title", "detail", "instance"} <= set(problem)
    return problem


@pytest.mark.parametrize("name", BODIES)
def test_a_bad_body_is_refused_and_nothing_is_created(alice: Caller, name: str) -> None:
    body, status, says = BODIES[name]
    before = newest(alice)
    answer = alice.http.post("/v1/tasks", content=body, headers={"Content-Type": "application/json"})
    problem = assert_problem(answer, status)
    assert says in problem["detail"]
    assert newest(alice) == before


def test_every_bad_field_is_named(alice: Caller) -> None:
    body = BODIES["several bad fields"][0]
    answer = alice.http.post("/v1/tasks", content=body, headers={"Content-Type": "application/json"})
    pointers = {error["pointer"] for error in assert_problem(answer, 400)["errors"]}
    assert pointers == {"#/title", "#/priority", "#/labels", "#/nope"}


def test_a_patch_with_a_bad_body_changes_nothing(alice: Caller) -> None:
    task = alice.post("/v1/tasks", {"title": "stays"}).json()
    for body in ({"title": ""}, {"status": "done"}, {"id": task["id"]}, {"version": 9}, {"labels": ["a", "a"]}):
        assert_problem(alice.patch(f"/v1/tasks/{task['id']}", body), 400)
    assert alice.get(f"/v1/tasks/{task['id']}").json() == task


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_another_media_type_is_415(alice: Caller, media_type: str) -> None:
    answer = alice.http.post("/v1/tasks", content=b'{"title": "x"}', headers={"Content-Type": media_type})
    assert_problem(answer, 415)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/v1/tasks/{id}"),
        ("POST", "/v1/tasks/{id}/restore"),
        ("DELETE", "/v1/trash/{id}"),
        ("POST", "/v1/notifications/read-all"),
    ],
)
def test_a_body_where_none_is_taken_is_refused(alice: Caller, method: str, path: str) -> None:
    task = alice.post("/v1/tasks", {"title": "stays"}).json()
    if "tasks" not in path.removesuffix("{id}") or "restore" in path:
        alice.delete(f"/v1/tasks/{task['id']}")
    before = alice.get(f"/v1/tasks/{task['id']}/history").json()
    assert_problem(alice.http.request(method, path.format(**task), json={"status": "completed"}), 400)
    assert_problem(alice.http.request(method, path.format(**task), content=b"{"), 415)
    assert alice.get(f"/v1/tasks/{task['id']}/history").json() == before
    assert alice.http.request(method, path.format(**task), json={}).status_code in {200, 204}


def forged(token: str, **claims: Any) -> str:
    """The same claims (or others), signed by somebody else under the real key's name."""
    header = jwt.get_unverified_header(token)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    body = {**jwt.decode(token, options={"verify_signature": False}), **claims}
    return jwt.encode(body, key, algorithm="RS256", headers={"kid": header["kid"], "typ": header["typ"]})


def test_forged_expired_and_foreign_tokens_are_401(real_system: System, alice: Caller) -> None:
    tokens = real_system.local.tokens("alice")
    bad = {
        "forged": forged(alice.token),
        "expired": forged(alice.token, exp=1),
        "no signature": alice.token.rsplit(".", 1)[0] + ".",
        "refresh token": tokens["refresh_token"],
        "ID token": tokens["id_token"],
        "garbage": "abc.def.ghi",
    }
    for name, token in bad.items():
        answer = real_system.with_token(token).get("/v1/tasks")
        assert answer.status_code == 401, (name, answer.text)
        assert_problem(answer, 401)
        assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"], name


def test_without_a_token_there_is_no_error_code(alice: Caller) -> None:
    answer = httpx.get(f"{alice.http.base_url}/v1/tasks")
    assert_problem(answer, 401)
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="taskmill"'


def test_anothers_task_is_404_for_every_verb_and_stays(real_system: System, alice: Caller) -> None:
    bob = real_system.caller("bob")
    task = alice.post("/v1/tasks", {"title": "mine"}).json()
    path = f"/v1/tasks/{task['id']}"
    assert_problem(bob.get(path), 404)
    assert_problem(bob.patch(path, {"title": "his"}), 404)
    assert_problem(bob.delete(path), 404)
    assert alice.get(path).json() == task


def test_each_refusal_leaves_one_valid_line_in_the_log(real_system: System, alice: Caller) -> None:
    answer = alice.http.post(
        "/v1/tasks",
        content=b'{"title": "\\u001b[31m\\n\\u2028", "x": 1}',
        headers={"Content-Type": "application/json", "User-Agent": "a\tb"},
    )
    request_id = assert_problem(answer, 400)["request_id"]
    lines = [line for line in real_system.log_lines("api-", request_id) if line["event"] == "request"]
    assert [line["status"] for line in lines] == [400]
