"""POST /v1/tasks"""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.data import ids
from config.events.models import Event
from tasks_app.models import Task
from tests.accounts.keycloak import ALICE
from tests.cast import Caller, assert_problem, pointers

pytestmark = pytest.mark.django_db
URL = "/v1/tasks"
FULL = {
    "title": "Water the plants",
    "description": "All of them.\n",
    "status": "in-progress",
    "priority": "high",
    "due_at": "2026-12-24T18:00:00.250+01:00",
    "labels": ["home", "Home", " green "],
}


def test_tasks_create_anonymous_is_401(anonymous: Caller) -> None:
    assert_problem(anonymous.post(URL, {"title": "x"}), 401, "unauthenticated")
    assert Task.objects.count() == 0


def test_tasks_create_viewer_is_403(vera: Caller) -> None:
    problem = assert_problem(vera.post(URL, {"title": "x"}), 403, "forbidden")
    assert problem["required_permission"] == "tasks:write"
    assert Task.objects.count() == 0


def test_tasks_create_answers_201_with_the_whole_task(alice: Caller) -> None:
    answer = alice.post(URL, FULL)
    task = answer.json()
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"/v1/tasks/{task['id']}"
    assert (answer.headers["ETag"], answer.headers["Content-Type"]) == ('"1"', "application/json")
    created = ids.instant(UUID(task["id"])).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert task == {
        **FULL,
        "id": task["id"],
        "due_at": "2026-12-24T17:00:00.250Z",
        "owner": ALICE,
        "assignee": None,
        "version": 1,
        "created_at": created,
        "updated_at": created,
        "completed_at": None,
        "deleted_at": None,
    }


def test_tasks_create_needs_a_title_only(alice: Caller) -> None:
    task = alice.post(URL, {"title": "x"}).json()
    chosen = {name: task[name] for name in ("description", "status", "priority", "due_at", "labels", "assignee")}
    assert chosen == {
        "description": "",
        "status": "pending",
        "priority": "normal",
        "due_at": None,
        "labels": [],
        "assignee": None,
    }


def test_tasks_create_then_get_is_the_same_document(alice: Caller) -> None:
    made = alice.post(URL, FULL)
    assert alice.get(made.headers["Location"]).content == made.content


def test_tasks_create_id_is_of_now_and_time_ordered(alice: Caller) -> None:
    before = datetime.now(UTC)
    one, other = alice.make(), alice.make()
    assert UUID(one["id"]).version == 7
    assert ids.floor(before) <= UUID(one["id"])
    assert one["created_at"] <= other["created_at"]


def test_tasks_create_completed_is_completed_at_once(alice: Caller) -> None:
    task = alice.make(status="completed")
    assert task["completed_at"] == task["created_at"]
    assert set(Event.objects.values_list("type", flat=True)) == {"task.created", "task.completed"}


def test_tasks_create_writes_one_event_with_what_was_set(alice: Caller) -> None:
    answer = alice.call("POST", URL, FULL, headers={"x-request-id": "call-1"})
    event = Event.objects.get()
    assert (event.type, str(event.subject), event.version) == ("task.created", answer.json()["id"], 1)
    assert (event.owner, event.actor, event.request_id) == (ALICE, ALICE, "call-1")
    shown = {**FULL, "due_at": "2026-12-24T17:00:00.250Z"}
    assert event.changes == {name: {"from": None, "to": value} for name, value in shown.items()}


def test_tasks_create_assigned_to_a_known_user(alice: Caller, bob: Caller) -> None:
    task = alice.make(assignee=bob.id)
    assert task["assignee"] == bob.id
    assert bob.get(f"{URL}/{task['id']}").json() == task


def test_tasks_create_assigned_to_an_unknown_user_is_400(alice: Caller) -> None:
    answer = alice.post(URL, {"title": "x", "assignee": "who"})
    assert pointers(answer) == {"#/assignee": "unknown_user"}
    assert (Task.objects.count(), Event.objects.count()) == (0, 0)


def test_tasks_create_by_the_service_account(client_for: Any) -> None:
    service = client_for("service")
    assert service.make()["owner"] == service.id


UNSETTABLE = {
    "id": "0192f0c1-d2e3-7b5a-8000-000000000000",
    "owner": "bob",
    "version": 9,
    "created_at": "2020-01-01T00:00:00Z",
    "updated_at": "2020-01-01T00:00:00Z",
    "completed_at": None,
    "deleted_at": None,
    "is_staff": True,
    "owner_id": "bob",
    "Title": "y",
    "": 1,
}
BAD: list[tuple[dict[str, Any], dict[str, str]]] = [
    ({}, {"#/title": "required"}),
    ({"title": None}, {"#/title": "null"}),
    ({"title": ""}, {"#/title": "blank"}),
    ({"title": " \t\u2003"}, {"#/title": "blank"}),
    ({"title": "x" * 201}, {"#/title": "max_length"}),
    ({"title": 5}, {"#/title": "invalid"}),
    ({"title": ["x"]}, {"#/title": "invalid"}),
    ({"title": True}, {"#/title": "invalid"}),
    ({"title": "x", "description": "x" * 10_001}, {"#/description": "max_length"}),
    ({"title": "x", "description": None}, {"#/description": "null"}),
    ({"title": "x", "status": "done"}, {"#/status": "invalid_choice"}),
    ({"title": "x", "status": "Pending"}, {"#/status": "invalid_choice"}),
    ({"title": "x", "status": None}, {"#/status": "null"}),
    ({"title": "x", "status": ""}, {"#/status": "invalid_choice"}),
    ({"title": "x", "priority": 1}, {"#/priority": "invalid_choice"}),
    ({"title": "x", "priority": []}, {"#/priority": "invalid_choice"}),
    ({"title": "x", "due_at": "tomorrow"}, {"#/due_at": "invalid"}),
    ({"title": "x", "due_at": "2026-01-31T12:00:00"}, {"#/due_at": "invalid"}),
    ({"title": "x", "due_at": 1769860800}, {"#/due_at": "invalid"}),
    ({"title": "x", "due_at": {str(n): n for n in range(30)}}, {"#/due_at": "invalid"}),
    ({"title": "x", "due_at": ""}, {"#/due_at": "invalid"}),
    ({"title": "x", "labels": "a"}, {"#/labels": "not_a_list"}),
    ({"title": "x", "labels": None}, {"#/labels": "null"}),
    ({"title": "x", "labels": [""]}, {"#/labels/0": "blank"}),
    ({"title": "x", "labels": ["a", "x" * 51]}, {"#/labels/1": "max_length"}),
    ({"title": "x", "labels": ["a", 1, None]}, {"#/labels/1": "invalid", "#/labels/2": "null"}),
    ({"title": "x", "labels": ["a", "b", "a"]}, {"#/labels": "twice"}),
    ({"title": "x", "labels": [str(n) for n in range(21)]}, {"#/labels": "max_length"}),
    ({"title": "x", "assignee": ""}, {"#/assignee": "blank"}),
    ({"title": "x", "assignee": 7}, {"#/assignee": "invalid"}),
    ({"title": "x", "assignee": "x" * 256}, {"#/assignee": "max_length"}),
    *(({"title": "x", name: value}, {f"#/{name}": "unknown"}) for name, value in UNSETTABLE.items()),
    ({"title": "x", "a/b~": 1}, {"#/a~1b~0": "unknown"}),
    (
        {"title": 5, "priority": "top", "labels": "a", "due_at": 1, "status": 0, "nope": 1, "description": {}},
        {
            "#/title": "invalid", "#/priority": "invalid_choice", "#/labels": "not_a_list", "#/due_at": "invalid",
            "#/status": "invalid_choice", "#/nope": "unknown", "#/description": "invalid",
        },
    ),
]  # fmt: skip


@pytest.mark.parametrize(("body", "errors"), BAD)
def test_tasks_create_lists_every_bad_field(alice: Caller, body: dict[str, Any], errors: dict[str, str]) -> None:
    assert pointers(alice.post(URL, body)) == errors
    assert (Task.objects.count(), Event.objects.count()) == (0, 0)


@pytest.mark.parametrize("body", [[], "x", 5, None, True, [{"title": "x"}]])
def test_tasks_create_takes_an_object_only(alice: Caller, body: Any) -> None:
    raw = b"null" if body is None else body
    assert pointers(alice.post(URL, raw)).keys() == {"#"}


def test_tasks_create_takes_the_longest_values(alice: Caller) -> None:
    smile = "\N{GRINNING FACE}"
    labels = [f"{n:02}{smile * 48}" for n in range(20)]
    task = alice.make(title=smile * 200, description=smile * 10_000, labels=labels)
    assert alice.get(f"{URL}/{task['id']}").json()["labels"] == labels


text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=200)
titles = text.filter(lambda value: bool(value.strip()))
labels = st.lists(text.filter(lambda value: 1 <= len(value) <= 50), max_size=5, unique=True)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(title=titles, description=text, labels=labels)
def test_tasks_create_keeps_text_byte_for_byte(
    alice: Caller, redis: Any, title: str, description: str, labels: list[str]
) -> None:
    redis.flushdb()
    made = alice.post(URL, {"title": title, "description": description, "labels": labels})
    assert made.status_code == 201, made.content
    stored = Task.objects.get(id=made.json()["id"])
    for task in (made.json(), alice.get(made.headers["Location"]).json()):
        assert (task["title"], task["description"], task["labels"]) == (title, description, labels)
    assert (stored.title, stored.description, stored.labels) == (title, description, labels)


def test_tasks_create_keeps_composed_and_decomposed_letters_apart(alice: Caller) -> None:
    for title in ("\u00e9", "e\u0301", " padded ", "\ufeffmark", "a\r\nb", "\u202eright"):
        assert alice.make(title=title)["title"] == title


def test_tasks_create_counts_its_queries(alice: Caller, django_assert_num_queries: Any) -> None:
    alice.make()
    # In a test's transaction: savepoint, the write, release.
    with django_assert_num_queries(3):
        alice.make()


@pytest.mark.django_db(transaction=True)
def test_tasks_create_is_one_transaction_of_two_round_trips(alice: Caller, bob: Caller) -> None:
    alice.make()
    with CaptureQueriesContext(connection) as captured:
        alice.post(URL, {**FULL, "assignee": None}, idempotency_key="k")
    _, write, commit = [each["sql"] for each in captured.captured_queries]  # BEGIN travels with what follows it
    assert [word for word in write.split() if word in {"BEGIN;", "INSERT"}] == ["BEGIN;", *["INSERT"] * 3]
    assert commit == "COMMIT"


def test_tasks_create_takes_no_query_parameter(alice: Caller) -> None:
    answer = alice.call("POST", URL, {"title": "x"}, dry_run="true")
    assert assert_problem(answer, 400)["errors"][0]["parameter"] == "dry_run"
    assert Task.objects.count() == 0
