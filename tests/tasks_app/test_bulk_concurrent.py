"""Overlapping bulks at once: nothing is lost, nobody waits for ever, and versions ascend in the order of the log"""

import random
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest

from config.api.models import IdempotencyKey
from config.events.models import Event
from tasks_app.models import Task
from tests.cast import Caller
from tests.tasks_app.bulk import bulk, create, delete, restore, results, update
from tests.tasks_app.test_tasks_get import where
from tests.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)
WRITERS, TASKS, CALLS = 8, 4, 10


@pytest.fixture(autouse=True)
def _wide_limits(limits: Callable[..., None]) -> None:
    limits(user=(100_000, 60), task=(100_000, 60))


def assert_ascending() -> None:
    """In the log, the versions of each task are 1, 2, 3 … up to that of its row."""
    logged: dict[Any, list[int]] = defaultdict(list)
    for event in Event.objects.exclude(type="task.completed").order_by("xid", "id"):
        logged[event.subject].append(event.version or 0)
    for task in Task.objects.all():
        assert logged[task.id] == list(range(1, task.version + 1))


def assert_replays() -> None:
    """The diffs of each task follow from one another: no write was made on a state that another had replaced."""
    told: dict[Any, dict[str, Any]] = defaultdict(dict)
    for event in Event.objects.exclude(type="task.completed").order_by("xid", "id"):
        for name, change in (event.changes or {}).items():
            assert told[event.subject].get(name) == change["from"]
            told[event.subject][name] = change["to"]
    for task in Task.objects.all():
        assert told[task.id]["title"] == task.title


def test_overlapping_bulks_and_single_writes_lose_nothing(alice: Caller, ada: Caller) -> None:
    """Six writers send bulks that name all tasks in an order of their own, some twice; two send single calls."""
    tasks = [alice.make(title=f"task {n}") for n in range(TASKS)]

    def write(number: int) -> list[tuple[int, int]]:
        chance, caller, done = random.Random(number), (alice, ada)[number % 2], []
        for n in range(CALLS):
            chosen = chance.sample(tasks, chance.randint(2, TASKS)) + chance.sample(tasks, 1)
            if number < 2:
                answer = caller.patch(where(chosen[0]), {"title": f"{number} {n}"})
                done.append((answer.status_code, 1))
                continue
            mode = chance.choice(["atomic", "partial"])
            answer = bulk(
                caller, *(update(task, title=f"{number} {n} {k}") for k, task in enumerate(chosen)), mode=mode
            )
            done.append((answer.status_code, len(chosen)))
        return done

    done = [one for some in at_once(WRITERS, write) for one in some]
    assert {status for status, _ in done} <= {200, 207, 503}
    assert sum(status < 300 for status, _ in done) > len(done) * 0.9, "a lost race is tried again behind the locks"
    assert_ascending()
    assert_replays()
    assert sum(task.version - 1 for task in Task.objects.all()) == sum(count for status, count in done if status < 300)


def test_no_two_bulks_wait_for_each_other(alice: Caller) -> None:
    """Every writer names the same tasks, half of them in the other direction: the classic deadlock."""
    tasks = [alice.make() for _ in range(20)]

    def write(number: int) -> list[int]:
        chosen = tasks if number % 2 else tasks[::-1]
        return [
            bulk(alice, *(update(task, title=f"{number} {n}") for task in chosen)).status_code for n in range(CALLS)
        ]

    assert {status for some in at_once(WRITERS, write) for status in some} == {200}
    assert {task.version for task in Task.objects.all()} == {1 + WRITERS * CALLS}
    assert len({task.title for task in Task.objects.all()}) == 1, "an atomic bulk is seen whole or not at all"
    assert_ascending()


def test_one_of_many_bulks_with_the_same_version_wins(alice: Caller) -> None:
    tasks = [alice.make() for _ in range(3)]
    answers = at_once(8, lambda n: bulk(alice, *(update(task, 1, title=f"{n}") for task in tasks)))
    assert sorted(answer.status_code for answer in answers) == [200, *[412] * 7]
    assert {task.version for task in Task.objects.all()} == {2}


def test_trash_and_back_at_once_ends_in_one_state(alice: Caller) -> None:
    tasks = [alice.make() for _ in range(3)]

    def write(number: int) -> None:
        one = restore if number % 2 else delete
        for _ in range(5):
            bulk(alice, *map(one, tasks), mode="partial")

    at_once(6, write)
    assert_ascending()


def test_twenty_bulks_with_one_key_are_done_once(alice: Caller) -> None:
    task = alice.make()
    answers = at_once(20, lambda _: bulk(alice, create(), update(task, title="x"), headers={"idempotency_key": "k"}))
    assert {answer.status_code for answer in answers} <= {200, 409}
    assert len({answer.content for answer in answers if answer.status_code == 200}) == 1
    assert (Task.objects.count(), Event.objects.count(), IdempotencyKey.objects.count()) == (2, 3, 1)


def test_purges_of_the_tasks_of_common_bulks_do_not_wait_for_each_other(alice: Caller) -> None:
    """Each purge takes the text out of the stored answers of all of them."""
    for round_ in range(3):
        made = [one["body"] for one in results(bulk(alice, *(create() for _ in range(8))), 200)]
        for n in range(10):
            key = {"idempotency_key": f"{round_} {n}"}
            bulk(alice, *(update(task, title=f"secret {n}") for task in made), headers=key)
        bulk(alice, *map(delete, made))
        answers = at_once(8, lambda n, made=made: alice.delete(f"/v1/trash/{made[n]['id']}"))  # type: ignore[misc]
        assert [answer.status_code for answer in answers] == [204] * 8
    assert not any(b"secret" in bytes(key.body) for key in IdempotencyKey.objects.all())
