"""Idempotency-Key: the same call made again has one effect and one answer, however often and at once it is made."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError

from accounts.models import User
from config.api.keyed import Key
from config.api.models import IdempotencyKey
from config.data.statements import LostRace
from config.events.models import Event
from tasks_app.models import Task
from tests.cast import Answer, Caller, assert_problem
from tests.threads import at_once

pytestmark = pytest.mark.django_db
BODY = {"title": "Once", "labels": ["a"]}


def create(caller: Caller, key: str = "k1", body: Any = None) -> Answer:
    return caller.post("/v1/tasks", BODY if body is None else body, idempotency_key=key)


def test_the_same_call_again_has_the_first_answer_and_no_effect(alice: Caller) -> None:
    first, again = create(alice), create(alice)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    for header in ("ETag", "Location", "Content-Type", "Consistency-Token"):
        assert again.headers[header] == first.headers[header]
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert (Task.objects.count(), Event.objects.count()) == (1, 1)


@pytest.mark.parametrize(
    "raw",
    [
        b'{"labels":["a"],"title":"Once"}',
        b' { "title" : "Once" ,\n "labels": [ "a" ] } ',
        b'{"t\\u0069tle": "\\u004fnce", "labels": ["\\u0061"]}',
    ],
)
def test_bodies_that_are_equal_as_json_are_the_same(alice: Caller, raw: bytes) -> None:
    create(alice)
    assert create(alice, body=raw).headers["Idempotency-Replayed"] == "true"


@pytest.mark.parametrize("body", [{"title": "Once"}, {"title": "once", "labels": ["a"]}, {**BODY, "description": ""}])
def test_another_body_is_422_and_the_key_stays_with_the_first(alice: Caller, body: dict[str, Any]) -> None:
    create(alice)
    assert_problem(create(alice, body=body), 422, "idempotency-mismatch")
    assert create(alice).headers["Idempotency-Replayed"] == "true"
    assert Task.objects.count() == 1


def test_another_users_key_is_another_key(alice: Caller, bob: Caller) -> None:
    mine, his = create(alice), create(bob)
    assert (mine.json()["owner"], his.json()["owner"]) == (alice.id, bob.id)
    assert "Idempotency-Replayed" not in his.headers


def test_another_method_or_route_is_another_key(alice: Caller) -> None:
    where = create(alice).headers["Location"]
    assert alice.patch(where, {"title": "Twice"}, idempotency_key="k1").json()["version"] == 2
    assert alice.delete(where, idempotency_key="k1").status_code == 204
    assert alice.post(f"{where}/restore", idempotency_key="k1").json()["version"] == 4


def test_the_same_route_of_another_task_is_a_mismatch(alice: Caller) -> None:
    one, other = alice.make(), alice.make()
    body = {"title": "x"}
    assert alice.patch(f"/v1/tasks/{one['id']}", body, idempotency_key="k").status_code == 200
    assert_problem(alice.patch(f"/v1/tasks/{other['id']}", body, idempotency_key="k"), 422)
    assert alice.get(f"/v1/tasks/{other['id']}").json() == other


@pytest.mark.parametrize("key", ["a", "a b", "x" * 255, "!#$%&'()*+,-./:;<=>?@[]^_`{|}~", "\\"])
def test_a_key_is_printable_ascii_bare_or_in_quotes(alice: Caller, key: str) -> None:
    assert create(alice, key).status_code == 201
    assert create(alice, f'"{key}"').headers["Idempotency-Replayed"] == "true"


@pytest.mark.parametrize("key", ["", '""', '"a', '"', "x" * 256, f'"{"x" * 256}"', "ä", "a\tb", "\x7f", '"a"b"'])
def test_a_malformed_key_is_400_and_nothing_is_made(alice: Caller, key: str) -> None:
    assert_problem(create(alice, key), 400, "bad-request")
    assert Task.objects.count() == 0


def test_a_patch_is_made_once_and_told_as_it_was(alice: Caller) -> None:
    where = f"/v1/tasks/{alice.make()['id']}"
    first = alice.patch(where, {"title": "two"}, idempotency_key="p")
    alice.patch(where, {"title": "three"})
    again = alice.patch(where, {"title": "two"}, idempotency_key="p")
    assert (again.content, again.headers["ETag"]) == (first.content, '"2"')
    assert alice.get(where).json()["title"] == "three"


def test_a_delete_is_made_once(alice: Caller) -> None:
    where = f"/v1/tasks/{alice.make()['id']}"
    first, again = alice.delete(where, idempotency_key="d"), alice.delete(where, idempotency_key="d")
    assert (first.status_code, again.status_code, again.content) == (204, 204, b"")
    assert "Content-Type" not in again.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert_problem(alice.delete(where, idempotency_key="other"), 404)


def test_a_refusal_is_an_answer_too(alice: Caller) -> None:
    where = f"/v1/tasks/{alice.make()['id']}"
    first = alice.patch(where, {"title": "x"}, if_match='"2"', idempotency_key="r")
    assert_problem(first, 412)
    alice.patch(where, {"title": "y"})  # now the version is 2
    again = alice.patch(where, {"title": "x"}, if_match='"2"', idempotency_key="r")
    assert (again.status_code, again.content) == (412, first.content)
    assert again.headers["Content-Type"] == "application/problem+json"
    assert again.headers["Idempotency-Replayed"] == "true"
    assert alice.get(where).json()["title"] == "y"


# Bodies and queries that are refused before any task is looked at.
WRONG: list[tuple[Any, dict[str, Any]]] = [
    ({"title": ""}, {}),
    ([], {}),
    (BODY, {"unknown": "1"}),
    (BODY, {"headers": {"consistency-token": "junk"}}),
]


@pytest.mark.parametrize(("body", "more"), WRONG)
def test_a_refused_body_or_query_is_an_answer_too(alice: Caller, body: Any, more: dict[str, Any]) -> None:
    def call() -> Answer:
        headers = {"idempotency-key": "k1", **more.get("headers", {})}
        return alice.call("POST", "/v1/tasks", body, **{**more, "headers": headers})

    first, again, third = call(), call(), call()
    assert_problem(first, 400)
    assert "Idempotency-Replayed" not in first.headers
    for replayed in (again, third):
        assert (replayed.status_code, replayed.content) == (400, first.content)
        assert replayed.headers["Idempotency-Replayed"] == "true"
        assert replayed.headers["Content-Type"] == "application/problem+json"
    assert_problem(create(alice, body={"title": "Corrected"}), 422, "idempotency-mismatch")
    assert create(alice, "k2", {"title": "Corrected"}).status_code == 201
    assert Task.objects.count() == 1


def test_another_query_is_another_call(alice: Caller) -> None:
    assert_problem(alice.call("POST", "/v1/tasks", BODY, headers={"idempotency-key": "k1"}, unknown="1"), 400)
    assert_problem(create(alice), 422, "idempotency-mismatch")


def test_what_is_wrong_with_a_body_is_told_before_its_used_key(alice: Caller) -> None:
    create(alice)
    for _ in range(2):
        refused = create(alice, body={"title": "", "labels": ["a"]})
        assert_problem(refused, 400, "invalid-body")
        assert "Idempotency-Replayed" not in refused.headers
    assert create(alice).headers["Idempotency-Replayed"] == "true"


def test_a_done_call_with_a_wrong_header_is_refused_and_stays_done(alice: Caller) -> None:
    where = f"/v1/tasks/{alice.make()['id']}"
    done = alice.patch(where, {"title": "x"}, idempotency_key="p")
    assert_problem(alice.patch(where, {"title": "x"}, idempotency_key="p", if_match="junk"), 400)
    assert alice.patch(where, {"title": "x"}, idempotency_key="p").content == done.content


UNREADABLE: list[tuple[bytes, dict[str, Any], int]] = [
    (b"", {}, 400),
    (b'{"title": ', {}, 400),
    (b'{"title": "a", "title": "b"}', {}, 400),
    (b'{"title": "\\ud800"}', {}, 400),
    (b"{}", {"content_type": "text/plain"}, 415),
    (b"{}", {"headers": {"content-encoding": "gzip"}}, 415),
    (b"{}", {"headers": {"transfer-encoding": "chunked"}}, 411),
    (b"{}", {"headers": {"transfer-encoding": "chunked", "consistency-token": "junk"}}, 400),
    (b'{"title": "%s"}' % (b"x" * 1_100_000), {}, 413),
]


@pytest.mark.parametrize(("raw", "more", "status"), UNREADABLE)
def test_a_body_that_is_not_read_leaves_the_key_free(
    alice: Caller, raw: bytes, more: dict[str, Any], status: int
) -> None:
    headers = {"idempotency-key": "k1", **more.pop("headers", {})}
    assert_problem(alice.call("POST", "/v1/tasks", raw, headers=headers, **more), status)
    assert IdempotencyKey.objects.count() == 0
    assert create(alice).status_code == 201


def test_a_malformed_key_or_token_stores_nothing(alice: Caller) -> None:
    assert_problem(create(alice, '"open', {"title": ""}), 400)
    refused = alice.call(
        "POST", "/v1/tasks", {"title": ""}, headers={"idempotency-key": "k", "authorization": "Bearer"}
    )
    assert_problem(refused, 400)
    assert IdempotencyKey.objects.count() == 0


def test_a_dry_run_that_is_refused_takes_no_key(alice: Caller) -> None:
    operations = [{"op": "create", "body": {"title": ""}}]
    for query in ({}, {"unknown": "1"}):
        dry = {"dry_run": True, "operations": operations}
        assert_problem(alice.call("POST", "/v1/tasks/bulk", dry, headers={"idempotency-key": "b"}, **query), 400)
    operations[0]["body"] = {"title": "x"}
    assert alice.post("/v1/tasks/bulk", {"operations": operations}, idempotency_key="b").status_code == 200


def test_a_refusal_that_cannot_be_kept_is_503(alice: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(Key, "claim", _no_database)
        assert_problem(create(alice, body={"title": ""}), 503)
    assert_problem(create(alice, body={"title": ""}), 400)


def _no_database(_: Any) -> Any:
    raise OperationalError


def test_a_403_leaves_the_key_free(alice: Caller, vera: Caller, client_for: Callable[..., Caller]) -> None:
    assert_problem(create(vera), 403)
    promoted = client_for("vera", realm_access={"roles": ["user"]})
    assert create(promoted).status_code == 201


def test_an_assignees_403_leaves_the_key_free(alice: Caller, bob: Caller) -> None:
    where = f"/v1/tasks/{alice.make(assignee=bob.id)['id']}"
    assert_problem(bob.delete(where, idempotency_key="d"), 403)
    assert IdempotencyKey.objects.filter(principal=bob.id).count() == 0


def test_a_429_leaves_the_key_free(alice: Caller, limits: Callable[..., None], redis: Any) -> None:
    limits(user=(1, 60))
    alice.get("/v1/me")
    assert_problem(create(alice), 429)
    redis.flushdb()
    answer = create(alice)
    assert (answer.status_code, answer.headers.get("Idempotency-Replayed")) == (201, None)


def test_a_503_leaves_the_key_free(alice: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    where = f"/v1/tasks/{alice.make()['id']}"
    with monkeypatch.context() as broken:
        broken.setattr("tasks_app.services.rows.update", _always_lost)
        assert_problem(alice.patch(where, {"title": "x"}, idempotency_key="k"), 503)
    assert alice.patch(where, {"title": "x"}, idempotency_key="k").status_code == 200


def _always_lost(*_: Any) -> Any:
    raise LostRace


def test_a_replay_is_not_shown_to_whom_the_task_is_hidden_now(alice: Caller, bob: Caller) -> None:
    where = f"/v1/tasks/{alice.make(assignee=bob.id, title='secret')['id']}"
    assert bob.patch(where, {"status": "completed"}, idempotency_key="s").status_code == 200
    alice.patch(where, {"assignee": None})
    refused = bob.patch(where, {"status": "completed"}, idempotency_key="s")
    assert_problem(refused, 404)
    assert b"secret" not in refused.content


def test_a_create_that_would_be_refused_by_now_is_told_as_it_was(alice: Caller, bob: Caller) -> None:
    """It takes its key only with what it saves, and must not take a refusal for the answer to a call that was done."""
    body = {"title": "Once", "assignee": bob.id}
    bob.get("/v1/me")
    first = create(alice, body=body)
    assert first.status_code == 201, first.content
    User.objects.filter(id=bob.id).update(is_active=False)
    assert_problem(create(alice, "another", body), 400, "invalid-body")
    again = create(alice, body=body)
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["Idempotency-Replayed"] == "true"


def test_a_used_key_with_another_body_leaves_no_trace(alice: Caller) -> None:
    create(alice)
    before = list(Event.objects.values_list("id", flat=True))
    for _ in range(3):
        assert_problem(create(alice, body={"title": "Another"}), 422, "idempotency-mismatch")
    assert (list(Event.objects.values_list("id", flat=True)), Task.objects.count()) == (before, 1)


def test_an_answer_that_the_version_before_has_stored_is_told(alice: Caller) -> None:
    """It kept the token among the headers, and no transaction."""
    first = create(alice)
    token = {"Consistency-Token": first.headers["Consistency-Token"]}
    [stored] = IdempotencyKey.objects.all()
    IdempotencyKey.objects.update(xid=None, headers={**stored.headers, **token})
    again = create(alice)
    assert again.content == first.content
    assert {name: again.headers[name] for name in token} == token


def test_a_replay_of_a_purged_task_is_410_without_its_text(alice: Caller) -> None:
    made = create(alice, body={"title": "secret"})
    where = made.headers["Location"]
    alice.delete(where)
    assert alice.delete(where.replace("tasks", "trash")).status_code == 204
    assert_problem(create(alice, body={"title": "secret"}), 410, "gone")
    assert not any(b"secret" in bytes(key.body) for key in IdempotencyKey.objects.all())


def test_a_replay_of_a_task_in_the_trash_is_told(alice: Caller) -> None:
    made = create(alice)
    alice.delete(made.headers["Location"])
    assert create(alice).content == made.content


def test_a_strict_client_must_send_a_key(alice: Caller, settings: Any) -> None:
    settings.STRICT_CLIENTS = ["taskmill-web"]
    assert_problem(alice.post("/v1/tasks", BODY), 400, "bad-request")
    assert create(alice).status_code == 201


def test_a_strict_client_must_name_the_version(alice: Caller, settings: Any) -> None:
    where = f"/v1/tasks/{alice.make()['id']}"
    settings.STRICT_CLIENTS = ["taskmill-web"]
    assert_problem(alice.patch(where, {"title": "x"}, idempotency_key="a"), 428, "precondition-required")
    assert_problem(alice.delete(where, idempotency_key="b"), 428)
    assert alice.patch(where, {"title": "x"}, idempotency_key="c", if_match='"1"').status_code == 200


def test_a_huge_or_deep_body_of_a_delete_is_400_and_not_500(alice: Caller) -> None:
    where = f"/v1/tasks/{alice.make()['id']}"
    for raw in (b"[" * 500 + b"]" * 500, b'{"a": 1' + b"0" * 30 + b"}", b'{"a": "\\ud800"}'):
        answer = alice.call("DELETE", where, raw, headers={"idempotency-key": "k"})
        assert_problem(answer, 400)


@pytest.mark.django_db(transaction=True)
def test_twenty_at_once_make_one_row_and_one_201(alice: Caller) -> None:
    answers = at_once(20, lambda _: create(alice))
    fresh = [answer for answer in answers if "Idempotency-Replayed" not in answer.headers]
    made = [answer for answer in fresh if answer.status_code == 201]
    waiting = [answer for answer in fresh if answer.status_code != 201]
    replayed = [answer for answer in answers if answer not in fresh]
    assert len(made) == 1
    assert {answer.content for answer in replayed} <= {made[0].content}
    for answer in waiting:
        assert_problem(answer, 409, "in-flight")
        assert int(answer.headers["Retry-After"]) >= 1
    assert (Task.objects.count(), Event.objects.count(), IdempotencyKey.objects.count()) == (1, 1, 1)
    assert create(alice).content == made[0].content


@pytest.mark.django_db(transaction=True)
def test_twenty_patches_at_once_make_one_version(alice: Caller, limits: Callable[..., None]) -> None:
    limits(task=(1000, 60))
    where = f"/v1/tasks/{alice.make()['id']}"
    answers = at_once(20, lambda _: alice.patch(where, {"title": "two"}, idempotency_key="p"))
    assert {answer.status_code for answer in answers} <= {200, 409}
    assert alice.get(where).json()["version"] == 2
    assert Event.objects.filter(type="task.updated").count() == 1


@pytest.mark.django_db(transaction=True)
def test_different_keys_at_once_do_not_hold_each_other_up(alice: Caller) -> None:
    assert alice.get("/v1/me").status_code == 200  # twenty at once are too many for the first look at keys and roles
    answers = at_once(20, lambda number: create(alice, f"k{number}"))
    assert [answer.status_code for answer in answers] == [201] * 20
    assert Task.objects.count() == 20


def test_a_stored_answer_is_kept_as_it_was_sent(alice: Caller) -> None:
    body = {"title": '\u2028 \N{GRINNING FACE} \x7f \\ " </script>'}
    first, again = create(alice, body=body), create(alice, body=body)
    assert json.loads(again.content)["title"] == body["title"]
    assert again.content == first.content
