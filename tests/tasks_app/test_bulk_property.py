"""A bulk is its single calls: any sequence of operations, by any caller, ends in the same answers, tasks and events"""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.events.models import Event
from tasks_app.models import Task
from tests.cast import Answer, Caller
from tests.tasks_app.bulk import bulk, create, delete, restore, results, update
from tests.tasks_app.test_tasks_get import where

pytestmark = pytest.mark.django_db
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "title": st.sampled_from(["a", "b"]),
        "status": st.sampled_from(["pending", "completed"]),
        "labels": st.sampled_from([[], ["x"], ["x", "y"]]),
        "due_at": st.sampled_from([None, "2026-12-24T19:00:00+01:00"]),
        "assignee": st.sampled_from([None, "bob", "bob", "nobody-knows"]),
    },
)


class Step(NamedTuple):
    op: str
    task: int  # in the world
    if_match: int | None
    fields: dict[str, Any]


STEPS = st.lists(
    st.builds(
        Step,
        st.sampled_from(["create", "update", "update", "update", "delete", "restore"]),
        st.sampled_from([0, 0, 0, 0, 1, 2, 2, 3]),
        st.sampled_from([None, None, None, None, 1, 2, 3]),
        FIELDS,
    ),
    min_size=3,
    max_size=7,
)


def world(alice: Caller, bob: Caller) -> list[Any]:
    """Alice's task that bob is to do, hers alone, one in her trash, and one of bob's."""
    made = [create(title="a", assignee=bob.id), create(title="a"), create(title="a")]
    tasks = [one["body"] for one in results(bulk(alice, *made), 200)]
    results(bulk(alice, delete(tasks[2])), 200)
    return [*tasks, bob.make(title="a")]


def operation(step: Step, tasks: list[Any], bob: Caller) -> dict[str, Any]:
    fields = {**step.fields, **({"assignee": bob.id} if step.fields.get("assignee") == "bob" else {})}
    match step.op:
        case "create":
            return create(**fields)
        case "update":
            return update(tasks[step.task], step.if_match, **fields)
        case "delete":
            return delete(tasks[step.task], step.if_match)
    return restore(tasks[step.task], step.if_match)


def single(caller: Caller, one: dict[str, Any]) -> Answer:
    headers = {"if_match": f'"{one["if_match"]}"'} if "if_match" in one else {}
    match one["op"]:
        case "create":
            return caller.post("/v1/tasks", one["body"])
        case "update":
            return caller.patch(where(one), one["body"], **headers)
        case "delete":
            return caller.delete(where(one), **headers)
    return caller.post(f"{where(one)}/restore", **headers)


def timeless(values: Any) -> Any:
    if not isinstance(values, dict):
        return values
    return {
        name: value is not None if name.endswith("_at") else value for name, value in values.items() if name != "id"
    }


def known(tasks: list[Any]) -> list[Any]:
    """The tasks of a world as they are, and what the log says of them."""
    told = []
    for task in tasks:
        events = Event.objects.filter(subject=task["id"]).order_by("xid", "id")
        log = [(event.type, event.version, event.actor, sorted(event.changes or {})) for event in events]
        told.append((timeless(Task.objects.filter(id=task["id"]).values().get()), log))
    return told


def tell(answer: Answer) -> tuple[int, Any]:
    return answer.status_code, timeless(answer.json()) if answer.content else None


@pytest.fixture
def cast(alice: Caller, bob: Caller, ada: Caller, limits: Callable[..., None]) -> dict[str, Caller]:
    limits(user=(1_000_000, 60), task=(1_000_000, 60))
    return {"alice": alice, "bob": bob, "ada": ada}


EXAMPLES = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)


@EXAMPLES
@given(STEPS, st.sampled_from(["alice", "alice", "ada", "bob"]))
def test_bulk_partial_is_the_single_calls_in_order(cast: dict[str, Caller], steps: list[Step], who: str) -> None:
    bob, caller = cast["bob"], cast[who]
    one, other = world(cast["alice"], bob), world(cast["alice"], bob)
    answer = bulk(caller, *(operation(step, one, bob) for step in steps), mode="partial")
    expected = [tell(single(caller, operation(step, other, bob))) for step in steps]
    told = results(answer, 207)
    assert [result["status"] for result in told] == [status for status, _ in expected]
    for result, (_, body) in zip(told, expected, strict=True):
        if "problem" in result:
            same = ("type", "title", "detail", "version", "required_permission")
            assert {name: result["problem"].get(name) for name in same} == {name: body.get(name) for name in same}
        else:
            assert timeless(result["body"]) == body
    assert known(one) == known(other)


@EXAMPLES
@given(STEPS, st.sampled_from(["alice", "alice", "ada", "bob"]))
def test_bulk_atomic_is_all_of_the_single_calls_or_nothing(
    cast: dict[str, Caller], steps: list[Step], who: str
) -> None:
    bob, caller = cast["bob"], cast[who]
    one, other = world(cast["alice"], bob), world(cast["alice"], bob)
    before, count = known(one), Task.objects.count()
    dry = bulk(caller, *(operation(step, one, bob) for step in steps), dry_run=True)
    assert (known(one), Task.objects.count()) == (before, count)
    answer = bulk(caller, *(operation(step, one, bob) for step in steps))
    assert (Task.objects.count() > count) == (answer.status_code == 200 and any(step.op == "create" for step in steps))
    assert dry.status_code == answer.status_code
    for index, step in enumerate(steps):
        status, body = tell(single(caller, operation(step, other, bob)))
        if status >= 400:
            assert answer.status_code == status
            assert answer.json()["errors"][0]["pointer"].startswith(f"#/operations/{index}/")
            assert known(one) == before
            return
        if answer.status_code == 200:
            for told in (answer, dry):
                result = told.json()["results"][index]
                assert (result["status"], timeless(result["body"])) == (status, body)
    assert answer.status_code == 200
    assert known(one) == known(other)
