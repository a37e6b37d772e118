"""PATCH /v1/tasks/{id}: a merge patch (RFC 7396)"""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.data import consistency
from config.events.models import Event
from tasks_app.models import Task
from tests.cast import Caller, assert_problem, pointers
from tests.tasks_app.test_tasks_get import NO_TASK, where
from tests.threads import at_once

pytestmark = pytest.mark.django_db


def events() -> list[tuple[str, int | None]]:
    return list(Event.objects.order_by("xid", "id").values_list("type", "version"))


def test_tasks_patch_anonymous_is_401(alice: Caller, anonymous: Caller) -> None:
    assert_problem(anonymous.patch(where(alice.make()), {"title": "x"}), 401)


def test_tasks_patch_viewer_is_403_on_every_task(alice: Caller, vera: Caller) -> None:
    for path in (where(alice.make()), f"/v1/tasks/{NO_TASK}"):
        problem = assert_problem(vera.patch(path, {"title": "x"}), 403)
        assert problem["required_permission"] == "tasks:write"


def test_tasks_patch_stranger_is_404_and_changes_nothing(alice: Caller, bob: Caller) -> None:
    task = alice.make()
    for body in ({"title": "x"}, {"status": "completed"}, {}):
        assert_problem(bob.patch(where(task), body), 404)
    assert alice.get(where(task)).json() == task
    assert events() == [("task.created", 1)]


def test_tasks_patch_changes_what_is_sent_and_nothing_else(alice: Caller) -> None:
    task = alice.make(description="d", labels=["a"], due_at="2026-12-24T18:00:00Z", priority="high")
    answer = alice.patch(where(task), {"title": "two", "labels": ["b", "c"]})
    after = answer.json()
    assert answer.status_code == 200
    assert answer.headers["ETag"] == '"2"'
    assert after == {
        **task, "title": "two", "labels": ["b", "c"], "version": 2, "updated_at": after["updated_at"],
    }  # fmt: skip
    assert after["updated_at"] >= task["updated_at"]
    assert alice.get(where(task)).content == answer.content


def test_tasks_patch_null_empties_a_field(alice: Caller, bob: Caller) -> None:
    task = alice.make(description="d", labels=["a"], due_at="2026-12-24T18:00:00Z", assignee=bob.id)
    after = alice.patch(where(task), {"description": None, "labels": None, "due_at": None, "assignee": None}).json()
    assert [after[name] for name in ("description", "labels", "due_at", "assignee")] == ["", [], None, None]


@pytest.mark.parametrize("content_type", ["application/merge-patch+json", "application/json"])
def test_tasks_patch_takes_both_media_types(alice: Caller, content_type: str) -> None:
    task = alice.make()
    answer = alice.call("PATCH", where(task), {"title": "two"}, content_type=f"{content_type}; charset=utf-8")
    assert (answer.status_code, answer.json()["title"]) == (200, "two")


OTHER_TYPES = ["application/json-patch+json", "text/plain", "application/x-www-form-urlencoded", ""]


@pytest.mark.parametrize("content_type", OTHER_TYPES)
def test_tasks_patch_other_media_types_are_415_and_told(alice: Caller, content_type: str) -> None:
    answer = alice.call("PATCH", where(alice.make()), {"title": "two"}, content_type=content_type)
    assert_problem(answer, 415)
    assert answer.headers["Accept-Patch"] == "application/merge-patch+json, application/json"


BAD: list[tuple[dict[str, Any], set[str]]] = [
    ({"title": None}, {"#/title"}),
    ({"title": " "}, {"#/title"}),
    ({"status": None, "priority": None}, {"#/status", "#/priority"}),
    ({"status": "done", "labels": ["a", "a"], "due_at": "x", "x": 1}, {"#/status", "#/labels", "#/due_at", "#/x"}),
    ({"labels": [""]}, {"#/labels/0"}),
    *(
        ({name: 1, "title": "ok"}, {f"#/{name}"})
        for name in ("id", "owner", "version", "created_at", "updated_at", "completed_at", "deleted_at", "owner_id")
    ),
]


@pytest.mark.parametrize(("body", "wrong"), BAD)
def test_tasks_patch_lists_every_bad_field_and_changes_nothing(
    alice: Caller, body: dict[str, Any], wrong: set[str]
) -> None:
    task = alice.make()
    assert pointers(alice.patch(where(task), body)).keys() == wrong
    assert alice.get(where(task)).json() == task


@pytest.mark.parametrize("raw", [b"[]", b"null", b'"x"', b"5"])
def test_tasks_patch_takes_an_object_only(alice: Caller, raw: bytes) -> None:
    task = alice.make()
    assert_problem(alice.patch(where(task), raw), 400)
    assert alice.get(where(task)).json() == task


def test_tasks_patch_without_a_body_is_400(alice: Caller) -> None:
    assert_problem(alice.patch(where(alice.make())), 400, "invalid-body")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"title": "Water the plants"},
        {"due_at": "2026-12-24T19:00:00+01:00"},
        {"description": None},
        {"labels": ["a", "b"], "status": "pending"},
    ],
)
def test_tasks_patch_that_changes_nothing_keeps_the_version(alice: Caller, body: dict[str, Any]) -> None:
    task = alice.make(due_at="2026-12-24T18:00:00Z", labels=["a", "b"])
    answer = alice.patch(where(task), body)
    assert (answer.status_code, answer.json(), answer.headers["ETag"]) == (200, task, '"1"')
    assert events() == [("task.created", 1)]
    assert consistency.decode(answer.headers["Consistency-Token"]), "a write like any other to its caller"


def test_tasks_patch_labels_in_another_order_are_a_change(alice: Caller) -> None:
    task = alice.make(labels=["a", "b"])
    assert alice.patch(where(task), {"labels": ["b", "a"]}).json()["version"] == 2


def test_tasks_patch_writes_an_event_with_the_differences(alice: Caller) -> None:
    task = alice.make(title="one", labels=["a"], priority="low")
    alice.patch(where(task), {"title": "two", "labels": [], "priority": "low", "due_at": "2026-12-24T18:00:00Z"})
    event = Event.objects.get(type="task.updated")
    assert (event.version, event.owner, event.actor) == (2, alice.id, alice.id)
    assert event.changes == {
        "title": {"from": "one", "to": "two"},
        "labels": {"from": ["a"], "to": []},
        "due_at": {"from": None, "to": "2026-12-24T18:00:00.000Z"},
    }


STATUSES = ["pending", "in-progress", "completed"]


@pytest.mark.parametrize("after", STATUSES)
@pytest.mark.parametrize("before", STATUSES)
def test_tasks_patch_any_status_may_follow_any_other(alice: Caller, before: str, after: str) -> None:
    task = alice.make(status=before)
    changed = alice.patch(where(task), {"status": after}).json()
    assert changed["status"] == after
    assert (changed["completed_at"] is not None) == (after == "completed")
    if before != after:
        expected = [("task.updated", 2)] + [("task.completed", 2)] * (after == "completed")
        assert events()[-len(expected) :] == expected
        assert Event.objects.get(type="task.updated").changes == {"status": {"from": before, "to": after}}
    else:
        assert changed == task


def test_tasks_patch_completed_again_has_a_new_time(alice: Caller) -> None:
    task = alice.make(status="completed")
    alice.patch(where(task), {"status": "pending"})
    again = alice.patch(where(task), {"status": "completed"}).json()
    assert again["completed_at"] == again["updated_at"] >= task["completed_at"]


def test_tasks_patch_title_of_a_completed_task_keeps_completed_at(alice: Caller) -> None:
    task = alice.make(status="completed")
    assert alice.patch(where(task), {"title": "two"}).json()["completed_at"] == task["completed_at"]


def test_tasks_patch_assignee_may_change_the_status(alice: Caller, bob: Caller) -> None:
    task = alice.make(assignee=bob.id)
    answer = bob.patch(where(task), {"status": "completed"})
    assert (answer.status_code, answer.json()["status"]) == (200, "completed")
    event = Event.objects.get(type="task.updated")
    assert (event.owner, event.actor) == (alice.id, bob.id)


@pytest.mark.parametrize(
    "body",
    [
        {"title": "Water the plants"},  # even with the value that it has
        {"status": "completed", "title": "x"},
        {"assignee": None},
        {"description": ""},
        {"labels": []},
        {"due_at": None},
        {"priority": "normal"},
    ],
)
def test_tasks_patch_assignee_naming_another_field_is_403(alice: Caller, bob: Caller, body: dict[str, Any]) -> None:
    task = alice.make(assignee=bob.id)
    assert_problem(bob.patch(where(task), body), 403, "forbidden")
    assert alice.get(where(task)).json() == task


def test_tasks_patch_assignee_naming_an_unknown_field_is_400(alice: Caller, bob: Caller) -> None:
    task = alice.make(assignee=bob.id)
    assert pointers(bob.patch(where(task), {"owner": bob.id})) == {"#/owner": "unknown"}


def test_tasks_patch_viewer_as_assignee_is_403(alice: Caller, vera: Caller) -> None:
    vera.get("/v1/me")
    task = alice.make(assignee=vera.id)
    assert_problem(vera.patch(where(task), {"status": "completed"}), 403)


def test_tasks_patch_owner_who_is_assignee_may_all(alice: Caller) -> None:
    task = alice.make(assignee=alice.id)
    assert alice.patch(where(task), {"title": "x"}).status_code == 200


def test_tasks_patch_admin_changes_everybodys(alice: Caller, ada: Caller) -> None:
    task = alice.make()
    after = ada.patch(where(task), {"title": "x"}).json()
    assert (after["owner"], after["title"]) == (alice.id, "x")
    assert Event.objects.get(type="task.updated").actor == ada.id


def test_tasks_patch_unknown_assignee_is_400(alice: Caller) -> None:
    task = alice.make()
    assert pointers(alice.patch(where(task), {"assignee": "who"})) == {"#/assignee": "unknown_user"}


def test_tasks_patch_in_the_trash_is_404(alice: Caller) -> None:
    task = alice.make()
    alice.delete(where(task))
    assert_problem(alice.patch(where(task), {"title": "x"}), 404)


@pytest.mark.parametrize("tag", ['"1"', 'W/"1"', "*", '"0", "1"'])
def test_tasks_patch_if_match_lets_the_version_through(alice: Caller, tag: str) -> None:
    assert alice.patch(where(alice.make()), {"title": "x"}, if_match=tag).status_code == 200


@pytest.mark.parametrize("body", [{"title": "x"}, {}])
def test_tasks_patch_if_match_on_another_version_is_412_with_the_current_one(alice: Caller, body: Any) -> None:
    task = alice.make()
    alice.patch(where(task), {"title": "two"})
    answer = alice.patch(where(task), body, if_match='"1"')
    assert assert_problem(answer, 412, "precondition-failed")["version"] == 2
    assert answer.headers["ETag"] == '"2"'
    assert alice.get(where(task)).json()["title"] == "two"


def test_tasks_patch_if_match_does_not_tell_of_anothers_task(alice: Caller, bob: Caller) -> None:
    task = alice.make()
    for tag in ('"1"', '"2"', "*"):
        assert_problem(bob.patch(where(task), {"title": "x"}, if_match=tag), 404)


def test_tasks_patch_order_of_refusals(alice: Caller, bob: Caller) -> None:
    """400 before 404, 404 before 403, 403 before 412."""
    task = alice.make(assignee=bob.id)
    nobodys = f"/v1/tasks/{NO_TASK}"
    assert_problem(alice.patch(nobodys, {"nope": 1}), 400)
    assert_problem(alice.patch(nobodys, {"title": "x"}, if_match="1"), 400)
    assert_problem(alice.patch(nobodys, {"title": "x"}, if_match='"9"'), 404)
    assert_problem(bob.patch(where(task), {"title": "x"}, if_match='"9"'), 403)
    assert_problem(bob.patch(where(task), {"status": "completed"}, if_match='"9"'), 412)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("round_", range(10))
def test_tasks_patch_two_at_once_with_one_if_match_are_one_200_and_one_412(alice: Caller, round_: int) -> None:
    task = alice.make()
    answers = at_once(2, lambda n: alice.patch(where(task), {"title": f"t{n}"}, if_match='"1"'))
    assert sorted(answer.status_code for answer in answers) == [200, 412]
    assert alice.get(where(task)).json()["version"] == 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("round_", range(10))
def test_tasks_patch_two_fields_at_once_lose_nothing(alice: Caller, round_: int) -> None:
    task = alice.make()
    bodies = [{"title": "t"}, {"description": "d"}]
    answers = at_once(2, lambda n: alice.patch(where(task), bodies[n]))
    after = alice.get(where(task)).json()
    assert [answer.status_code for answer in answers] == [200, 200]
    assert (after["title"], after["description"], after["version"]) == ("t", "d", 3)


VALUES = {
    "title": st.sampled_from(["a", "b", " ", "ä"]).filter(str.strip),
    "description": st.sampled_from(["", "a", "\n"]) | st.none(),
    "status": st.sampled_from(STATUSES),
    "priority": st.sampled_from(["low", "normal", "high", "urgent"]),
    "due_at": st.sampled_from(["2026-01-01T00:00:00.000Z", "2027-01-01T00:00:00.001Z"]) | st.none(),
    "labels": st.sampled_from([[], ["a"], ["a", "b"]]) | st.none(),
}
EMPTY: dict[str, Any] = {"description": "", "labels": [], "due_at": None}
patches = st.fixed_dictionaries({}, optional=VALUES)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(patches, max_size=8))
def test_tasks_patch_any_sequence_of_patches_is_a_fold(alice: Caller, redis: Any, bodies: list[dict[str, Any]]) -> None:
    """The model: each patch replaces what it names; the version counts the patches that changed something."""
    redis.flushdb()
    task = alice.make()
    expected, version = dict(task), 1
    for body in bodies:
        given_values = {name: EMPTY[name] if value is None else value for name, value in body.items()}
        version += any(expected[name] != value for name, value in given_values.items())
        expected |= given_values
        got = alice.patch(where(task), body).json()
        assert {name: got[name] for name in VALUES} == {name: expected[name] for name in VALUES}
        assert got["version"] == version
    history = Event.objects.filter(subject=task["id"], type="task.updated").order_by("version")
    assert [event.version for event in history] == list(range(2, version + 1))
    told = {name: task[name] for name in VALUES}
    for event in history:
        for name, change in (event.changes or {}).items():
            assert told[name] == change["from"] != change["to"]
            told[name] = change["to"]
    assert told == {name: expected[name] for name in VALUES}


def test_tasks_patch_counts_its_queries(alice: Caller, django_assert_num_queries: Any) -> None:
    task = alice.make()
    # In a test's transaction: savepoint, select, the write, release.
    with django_assert_num_queries(4):
        alice.patch(where(task), {"title": "two"})
    with django_assert_num_queries(4):  # with a key no more: it is claimed with the select, and stored with the write
        alice.patch(where(task), {"title": "one"}, idempotency_key="k")
    alice.patch(where(task), {"title": "two"})
    with django_assert_num_queries(4):  # nothing to write, but its row is held; and a token for the state that was seen
        alice.patch(where(task), {"title": "two"})
    assert Task.objects.get().version == 4
