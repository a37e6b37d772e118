"""POST /v1/tasks/bulk: what is refused before any task is looked at; dry runs; limits; strict clients"""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission

from accounts import access
from accounts.models import Role
from config.cache import gate
from tasks_app.models import Task
from tests.cast import Caller, assert_problem, pointers
from tests.tasks_app.bulk import BULK, bulk, create, delete, refused, restore, results, state, statuses, update
from tests.tasks_app.test_tasks_get import NO_TASK, where

pytestmark = pytest.mark.django_db
ONE = {"op": "delete", "id": NO_TASK}

BODIES: list[tuple[Any, dict[str, str]]] = [
    ([], {"#": "invalid"}),
    (None, {"#": "null"}),
    ({}, {"#/operations": "required"}),
    ({"operations": None}, {"#/operations": "null"}),
    ({"operations": []}, {"#/operations": "min_length"}),
    ({"operations": {"0": ONE}}, {"#/operations": "not_a_list"}),
    ({"operations": [ONE] * 101}, {"#/operations": "max_length"}),
    ({"operations": [ONE], "mode": "best-effort"}, {"#/mode": "invalid_choice"}),
    ({"operations": [ONE], "mode": None}, {"#/mode": "null"}),
    ({"operations": [ONE], "dry_run": "true"}, {"#/dry_run": "invalid"}),
    ({"operations": [ONE], "dry_run": 1}, {"#/dry_run": "invalid"}),
    ({"operations": [ONE], "atomic": True}, {"#/atomic": "unknown"}),
    (
        {"operations": [5, "x"], "mode": 1},
        {"#/mode": "invalid_choice", "#/operations/0": "invalid", "#/operations/1": "invalid"},
    ),
]


@pytest.mark.parametrize(("body", "wrong"), BODIES)
def test_bulk_wrong_envelope_is_400_in_every_mode(alice: Caller, body: Any, wrong: dict[str, str]) -> None:
    raw = b"null" if body is None else body
    assert pointers(alice.post(BULK, raw)) == wrong
    if isinstance(body, dict):
        assert pointers(alice.post(BULK, {"mode": "partial", **body})) == wrong


OPERATIONS: list[tuple[Any, dict[str, str]]] = [
    (5, {"": "invalid"}),
    (None, {"": "null"}),
    ({}, {"/op": "required"}),
    ({"op": "purge", "id": NO_TASK}, {"/op": "invalid_choice"}),
    ({"op": ["create"], "body": {"title": "x"}}, {"/op": "invalid_choice"}),
    ({"op": "create"}, {"/body": "required"}),
    ({"op": "create", "body": None}, {"/body": "null"}),
    ({"op": "create", "body": []}, {"/body": "invalid"}),
    (
        {"op": "create", "id": NO_TASK, "if_match": 1, "body": {"title": "x"}},
        {"/id": "unknown", "/if_match": "unknown"},
    ),
    (
        {"op": "create", "body": {"owner": "x", "version": 1}},
        {"/body/title": "required", "/body/owner": "unknown", "/body/version": "unknown"},
    ),
    ({"op": "update", "id": "x"}, {"/id": "invalid", "/body": "required"}),
    ({"op": "update", "id": NO_TASK.upper(), "body": {}}, {"/id": "invalid"}),
    (
        {"op": "update", "id": NO_TASK, "if_match": "3", "body": {"title": "", "labels": ["a", ""]}},
        {"/if_match": "invalid", "/body/title": "blank", "/body/labels/1": "blank"},
    ),
    ({"op": "delete", "id": NO_TASK, "if_match": 1.5}, {"/if_match": "invalid"}),
    ({"op": "delete", "id": NO_TASK, "if_match": 0.0}, {"/if_match": "min_value"}),
    ({"op": "delete", "id": NO_TASK, "if_match": 2**53}, {"/if_match": "max_value"}),
    ({"op": "delete", "id": NO_TASK, "if_match": 1e300}, {"/if_match": "invalid"}),
    ({"op": "delete", "id": NO_TASK, "if_match": True}, {"/if_match": "invalid"}),
    ({"op": "delete", "id": NO_TASK, "if_match": 0}, {"/if_match": "min_value"}),
    ({"op": "delete", "id": NO_TASK, "body": {}}, {"/body": "unknown"}),
    ({"op": "restore", "id": 7, "x~/y": 1}, {"/id": "invalid", "/x~0~1y": "unknown"}),
]


@pytest.mark.parametrize(("operation", "wrong"), OPERATIONS)
def test_bulk_wrong_operation_is_400_and_changes_nothing(alice: Caller, operation: Any, wrong: dict[str, str]) -> None:
    before = state()
    assert pointers(bulk(alice, create(), operation)) == {f"#/operations/1{path}": code for path, code in wrong.items()}
    assert state() == before


def test_bulk_wrong_operation_fails_alone_in_partial_mode(alice: Caller) -> None:
    wrong = [operation for operation, _ in OPERATIONS]
    answer = bulk(alice, *wrong, create(), mode="partial")
    assert statuses(answer) == [400] * len(wrong) + [201]
    told = [error["pointer"] for result in results(answer, 207)[:-1] for error in result["problem"]["errors"]]
    expected = [f"#/operations/{n}{path}" for n, (_, paths) in enumerate(OPERATIONS) for path in paths]
    assert sorted(told) == sorted(expected)


def test_bulk_lists_every_bad_field_of_every_operation(alice: Caller) -> None:
    answer = bulk(alice, create(title=""), create(), update(NO_TASK, status="done", x=1), {"op": "x"}, mode="atomic")
    assert pointers(answer).keys() == {
        "#/operations/0/body/title",
        "#/operations/2/body/status",
        "#/operations/2/body/x",
        "#/operations/3/op",
    }


def test_bulk_reports_a_bounded_number_of_errors(alice: Caller) -> None:
    many = {"op": "create", "body": {f"{n}": 1 for n in range(300)}}
    assert len(assert_problem(bulk(alice, *[many] * 30), 400)["errors"]) == 1000


def test_bulk_takes_json_in_one_size(alice: Caller) -> None:
    assert_problem(alice.call("POST", BULK, {"operations": [create()]}, content_type="text/plain"), 415)
    assert_problem(
        alice.call("POST", BULK, {"operations": [create()]}, content_type="application/merge-patch+json"), 415
    )
    assert_problem(bulk(alice, *(create(description="x" * 10_000) for _ in range(100))), 413)
    assert_problem(alice.post(BULK), 400, "invalid-body")
    assert_problem(alice.call("POST", BULK, {"operations": [create()]}, x=1), 400, "invalid-parameter")


@pytest.mark.parametrize("mode", ["atomic", "partial"])
def test_bulk_dry_run_answers_as_the_call_and_changes_nothing(alice: Caller, mode: str) -> None:
    task, other = alice.make(), alice.make()
    alice.delete(where(other))
    operations = [update(task, 1, title="x"), create(), restore(other), delete(task, 2), update(task)]
    if mode == "atomic":
        operations.pop()
    before = state()
    dry = bulk(alice, *operations, mode=mode, dry_run=True, headers={"idempotency_key": "k"})
    assert state() == before
    assert "Consistency-Token" not in dry.headers
    real = bulk(alice, *operations, mode=mode, headers={"idempotency_key": "k"})
    assert (dry.status_code, dry.headers["Content-Type"]) == (real.status_code, real.headers["Content-Type"])
    assert _timeless(dry.json()) == _timeless(real.json())
    assert "Idempotency-Replayed" not in real.headers


def test_bulk_dry_run_refuses_as_the_call(alice: Caller, settings: Any) -> None:
    task = alice.make()
    before = state()
    for dry_run in (True, False):
        answer = bulk(alice, create(), update(task, 3), dry_run=dry_run, headers={"idempotency_key": '"open'})
        assert_problem(answer, 400, "bad-request")
        assert refused(bulk(alice, create(), update(task, 3), dry_run=dry_run), 412) == "#/operations/1/if_match"
    settings.STRICT_CLIENTS = ["taskmill-web"]
    assert_problem(bulk(alice, create(), dry_run=True), 400, "bad-request")
    assert state() == before


def _timeless(value: Any) -> Any:
    """Without what differs from call to call."""
    if isinstance(value, list):
        return [_timeless(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: _timeless(item)
        for name, item in value.items()
        if name not in {"request_id"} and not (name.endswith("_at") and item is not None)
        if not (name == "id" and value.get("title") == "new")
    }


def test_bulk_strict_client_must_name_versions_but_of_a_restore(alice: Caller, settings: Any) -> None:
    task, other = alice.make(), alice.make()
    alice.delete(where(other))
    settings.STRICT_CLIENTS = ["taskmill-web"]
    assert_problem(bulk(alice, create()), 400, "bad-request")
    answer = bulk(
        alice, update(task), delete(task), update(NO_TASK), restore(other), update(task, 1, title="x"), create(),
        mode="partial", headers={"idempotency_key": "a"},
    )  # fmt: skip
    assert statuses(answer) == [428, 428, 404, 200, 200, 201]
    answer = bulk(alice, create(), delete(task), headers={"idempotency_key": "b"})
    assert refused(answer, 428) == "#/operations/1/if_match"


@pytest.mark.django_db(transaction=True)
def test_bulk_each_operation_needs_its_own_permission(alice: Caller, client_for: Any) -> None:
    task = alice.make()
    Role.objects.get(name="user").permissions.remove(Permission.objects.get(codename="tasks:delete"))
    access.ACCESS.forget()
    writer = client_for("alice", jti="issued after the edit")
    assert statuses(bulk(writer, update(task, title="x"), delete(task), mode="partial")) == [200, 403]
    answer = bulk(writer, update(task, title="y"), delete(task))
    assert refused(answer, 403) == "#/operations/1/op"
    assert answer.json()["required_permission"] == "tasks:delete"
    assert 'scope="tasks:delete"' in answer.headers["WWW-Authenticate"]


def test_bulk_counts_each_operation_as_a_write_on_its_task(alice: Caller, limits: Callable[..., None]) -> None:
    one, other = alice.make(), alice.make()
    limits(task=(3, 60))
    answer = bulk(alice, update(one, title="1"), update(other), update(one, title="2"), create())
    assert answer.headers["RateLimit"].split(", ")[-1].startswith('"task";r=1;')
    assert answer.headers["RateLimit-Policy"].count('"task"') == 1
    before = Task.objects.count()
    late = bulk(alice, create(), update(other), update(one, title="3"), update(one, title="4"))
    assert refused(late, 429) == "#/operations/3/id"
    assert int(late.headers["Retry-After"]) >= 1
    assert Task.objects.count() == before
    assert alice.patch(where(one), {"title": "5"}).status_code == 429


def test_bulk_partial_refuses_only_what_is_over_the_limit(alice: Caller, limits: Callable[..., None]) -> None:
    one, other = alice.make(), alice.make()
    limits(task=(2, 60))
    answer = bulk(alice, *(update(one, title=f"{n}") for n in range(4)), update(other), create(), mode="partial")
    assert statuses(answer) == [200, 200, 429, 429, 200, 201]
    problem = results(answer, 207)[2]["problem"]
    assert problem["violated-policies"] == ["task"]
    assert problem["retry_after"] >= 1
    assert alice.get(where(one)).json()["title"] == "1"


def test_bulk_limit_comes_before_a_bad_body(alice: Caller, limits: Callable[..., None]) -> None:
    task = alice.make()
    limits(task=(1, 60))
    assert results(bulk(alice, update(task)), 200)
    assert refused(bulk(alice, update(task, title="")), 429) == "#/operations/0/id"


def test_bulk_is_one_call_of_its_user(alice: Caller, redis: Any) -> None:
    before = gate.count("user", alice.id, 0).remaining
    bulk(alice, *(create() for _ in range(50)))
    assert before - gate.count("user", alice.id, 0).remaining == 1


def test_bulk_of_a_hundred_is_a_handful_of_statements(
    alice: Caller, bob: Caller, django_assert_num_queries: Any
) -> None:
    alice.make()
    with django_assert_num_queries(4):  # savepoint, assignees, the write, release
        made = results(bulk(alice, *(create(assignee=bob.id, title=f"{n}") for n in range(100))), 200)
    tasks = [one["body"] for one in made]
    with django_assert_num_queries(4):  # savepoint, locks and tasks, the write, release
        results(bulk(alice, *(update(task, 1, title="x", status="completed") for task in tasks)), 200)
    mixed = [*map(delete, tasks[:40]), *(update(task, title="x") for task in tasks[40:99]), create()]
    with django_assert_num_queries(4):  # also the key, the new task, and a hold on those left as they were
        results(bulk(alice, *mixed, headers={"idempotency_key": "k"}), 200)
