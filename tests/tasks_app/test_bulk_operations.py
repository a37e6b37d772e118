"""POST /v1/tasks/bulk: what the operations do, alone and after one another"""

from typing import Any
from uuid import UUID

import pytest

from config.events.models import Event
from tests.cast import Caller, assert_problem
from tests.tasks_app.bulk import BULK, bulk, create, delete, refused, restore, results, state, statuses, update
from tests.tasks_app.test_tasks_get import NO_TASK, where

pytestmark = pytest.mark.django_db


def test_bulk_anonymous_is_401_and_viewer_403(anonymous: Caller, vera: Caller) -> None:
    assert_problem(bulk(anonymous, create()), 401)
    assert assert_problem(bulk(vera, create()), 403)["required_permission"] == "tasks:write"


def test_bulk_answers_each_operation_as_its_single_call(alice: Caller, bob: Caller) -> None:
    kept, gone, back = alice.make(), alice.make(), alice.make(labels=["a"])
    alice.delete(where(back))
    made, changed, deleted, restored = results(
        bulk(
            alice,
            create(labels=["x"], due_at="2026-12-24T19:00:00+01:00", assignee=bob.id),
            update(kept, 1, status="completed"),
            delete(gone),
            restore(back, 2),
        ),
        200,
    )
    assert [one["status"] for one in (made, changed, deleted, restored)] == [201, 200, 204, 200]
    assert made["body"] == alice.get(where(made["body"])).json()
    assert (made["body"]["owner"], made["body"]["assignee"], made["body"]["version"]) == (alice.id, bob.id, 1)
    assert changed["body"] == alice.get(where(kept)).json()
    assert changed["body"]["completed_at"] is not None
    assert deleted["body"] is None
    assert_problem(alice.get(where(gone)), 404)
    assert restored["body"] == alice.get(where(back)).json()
    assert (restored["body"]["labels"], restored["body"]["version"]) == (["a"], 3)


def test_bulk_writes_the_events_of_the_single_calls_in_one_transaction(alice: Caller) -> None:
    kept, gone = alice.make(), alice.make()
    Event.objects.all().delete()
    bulk(alice, update(kept, status="completed"), create(title="t"), delete(gone), restore(gone), update(kept))
    events = list(Event.objects.order_by("xid", "id"))
    assert [(event.type, event.version) for event in events] == [
        ("task.updated", 2),
        ("task.completed", 2),
        ("task.created", 1),
        ("task.deleted", 2),
        ("task.restored", 3),
    ]
    assert len({event.xid for event in events}) == 1
    assert events[0].changes == {"status": {"from": "pending", "to": "completed"}}
    assert {(event.owner, event.actor) for event in events} == {(alice.id, alice.id)}


def test_bulk_each_operation_sees_the_ones_before_it(alice: Caller) -> None:
    task = alice.make()
    told = results(
        bulk(
            alice,
            update(task, 1, title="two"),
            update(task, 2, title="two", status="completed"),
            delete(task, 3),
            restore(task, 4),
            update(task, 5, status="pending"),
            update(task, 6),
        ),
        200,
    )
    assert [one["body"] and one["body"]["version"] for one in told] == [2, 3, None, 5, 6, 6]
    assert told[-1]["body"] == alice.get(where(task)).json()
    assert (told[-1]["body"]["title"], told[-1]["body"]["completed_at"]) == ("two", None)
    versions = Event.objects.exclude(type="task.completed").order_by("xid", "id").values_list("version", flat=True)
    assert list(versions) == [1, 2, 3, 4, 5, 6]


def test_bulk_a_deleted_task_is_gone_for_the_operations_after_it(alice: Caller) -> None:
    task = alice.make()
    assert refused(bulk(alice, delete(task), update(task, title="x")), 404) == "#/operations/1/id"
    twice = [restore(task), delete(task), delete(task), restore(task), restore(task)]
    assert statuses(bulk(alice, *twice, mode="partial")) == [409, 204, 404, 200, 409]


def test_bulk_new_tasks_are_listed_in_the_order_of_the_operations(alice: Caller) -> None:
    made = results(bulk(alice, *(create(title=f"{n}") for n in range(20))), 200)
    assert [one["body"]["title"] for one in made] == [f"{n}" for n in range(20)]
    assert [row["title"] for row in alice.get("/v1/tasks").json()["results"]] == [f"{n}" for n in reversed(range(20))]
    assert all(UUID(one["body"]["id"]).version == 7 for one in made)


def test_bulk_that_changes_nothing_has_a_token_of_what_it_saw_and_no_event(alice: Caller) -> None:
    task = alice.make()
    before = state()
    answer = bulk(alice, update(task, title=task["title"]), update(task))
    assert [one["body"] for one in results(answer, 200)] == [task, task]
    assert answer.headers["Consistency-Token"]
    assert state() == before


def test_bulk_has_a_consistency_token_of_its_transaction(alice: Caller) -> None:
    answer = bulk(alice, create())
    assert alice.get("/v1/tasks", headers={"Consistency-Token": answer.headers["Consistency-Token"]}).status_code == 200


def test_bulk_stranger_is_404_and_changes_nothing(alice: Caller, bob: Caller) -> None:
    task, trashed = alice.make(), alice.make()
    alice.delete(where(trashed))
    before = state()
    for one in (update(task, title="x"), update(task), delete(task), restore(trashed), restore(task), delete(NO_TASK)):
        assert refused(bulk(bob, one), 404) == "#/operations/0/id"
        assert statuses(bulk(bob, one, one, mode="partial")) == [404, 404]
        assert state() == before


def test_bulk_assignee_may_change_the_status_only(alice: Caller, bob: Caller) -> None:
    task = alice.make(assignee=bob.id)
    answer = bulk(
        bob,
        update(task, status="completed"),
        update(task, status="completed", title="x"),
        update(task, assignee=None),
        delete(task),
        restore(task),
        mode="partial",
    )
    assert statuses(answer) == [200, 403, 403, 403, 403]
    assert refused(bulk(bob, update(task, status="pending"), delete(task)), 403) == "#/operations/1/op"
    assert alice.get(where(task)).json()["status"] == "completed"


def test_bulk_admin_changes_everybodys(alice: Caller, bob: Caller, ada: Caller) -> None:
    hers, his = alice.make(), bob.make()
    told = results(bulk(ada, update(hers, title="x"), update(his, title="y"), delete(his)), 200)
    assert [one["status"] for one in told] == [200, 200, 204]
    assert told[0]["body"]["owner"] == alice.id
    assert set(Event.objects.filter(type="task.updated").values_list("owner", "actor")) == {
        (alice.id, ada.id),
        (bob.id, ada.id),
    }


@pytest.mark.parametrize("mode", ["atomic", "partial"])
def test_bulk_unknown_assignee_is_400_and_pointed_to(alice: Caller, mode: str) -> None:
    task = alice.make()
    answer = bulk(alice, create(), update(task, assignee="nobody-knows"), mode=mode)
    problem: Any = answer.json() if mode == "atomic" else results(answer, 207)[1]["problem"]
    assert (answer.status_code, problem["status"]) == (400 if mode == "atomic" else 207, 400)
    assert [(e["pointer"], e["code"]) for e in problem["errors"]] == [("#/operations/1/body/assignee", "unknown_user")]


def test_bulk_atomic_stops_at_the_first_failure_and_changes_nothing(alice: Caller) -> None:
    task, other = alice.make(), alice.make()
    before = state()
    answer = bulk(alice, create(), update(task, title="x"), delete(other), update(other, 7), delete(NO_TASK))
    assert refused(answer, 404) == "#/operations/3/id"
    problem = bulk(alice, update(task, title="x"), update(task, 1, title="y"), create())
    assert refused(problem, 412) == "#/operations/1/if_match"
    assert problem.json()["version"] == 2
    assert "ETag" not in problem.headers
    assert "Consistency-Token" not in problem.headers
    assert state() == before


def test_bulk_partial_does_what_it_can(alice: Caller) -> None:
    task = alice.make()
    answer = bulk(
        alice,
        update(task, 9, title="x"),
        create(title=" "),
        update(task, 1, title="one"),
        delete(NO_TASK),
        create(title="made"),
        mode="partial",
    )
    assert statuses(answer) == [412, 400, 200, 404, 201]
    first, bad, *_ = results(answer, 207)
    assert first.keys() == {"status", "problem"}
    assert first["problem"]["request_id"] == answer.headers["X-Request-Id"]
    assert (first["problem"]["version"], first["problem"]["errors"][0]["pointer"]) == (1, "#/operations/0/if_match")
    assert [error["pointer"] for error in bad["problem"]["errors"]] == ["#/operations/1/body/title"]
    assert {row["title"] for row in alice.pages("/v1/tasks")} == {"one", "made"}


def test_bulk_partial_of_failures_only_changes_nothing(alice: Caller) -> None:
    before = state()
    answer = bulk(alice, delete(NO_TASK), update(NO_TASK), mode="partial")
    assert statuses(answer) == [404, 404]
    assert state() == before


def test_bulk_takes_post_only(alice: Caller) -> None:
    answer = alice.get(BULK)
    assert_problem(answer, 405)
    assert answer.headers["Allow"] == "POST, OPTIONS"
