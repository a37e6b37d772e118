"""Calls that meet, over HTTP at both instances of the API: whatever an instance keeps for itself, one wins."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any, TypeVar
from uuid import uuid4

import httpx
import pytest

from tests.journeys.system import Caller, System

pytestmark = pytest.mark.stack
T = TypeVar("T")


@pytest.fixture
def everywhere(real_system: System) -> Iterator[Callable[[str, int], list[Caller]]]:
    """Callers with one person's token, by turns at the one and at the other instance, past the load balancer."""
    callers: list[Caller] = []
    urls = [real_system.local.part(name).url for name in ("api-1", "api-2")]

    def make(user: str, count: int) -> list[Caller]:
        token = real_system.local.token(user)
        made = [Caller(urls[number % 2], token) for number in range(count)]
        callers.extend(made)
        return made

    yield make
    for caller in callers:
        caller.http.close()


def at_once(callers: list[Caller], call: Callable[[int, Caller], T]) -> list[T]:
    start = Barrier(len(callers))

    def run(number: int) -> T:
        start.wait()
        return call(number, callers[number])

    with ThreadPoolExecutor(len(callers)) as threads:
        return list(threads.map(run, range(len(callers))))


def titled(caller: Caller, title: str) -> list[Any]:
    return [task for task in caller.pages("/v1/tasks", page_size=100, q=f'"{title}"') if task["title"] == title]


def test_fifty_calls_with_one_key_make_one_task(everywhere: Any) -> None:
    callers, key, title = everywhere("alice", 50), str(uuid4()), f"once {uuid4()}"
    answers = at_once(callers, lambda _, caller: caller.post("/v1/tasks", {"title": title}, Idempotency_Key=key))
    assert {answer.status_code for answer in answers} <= {201, 409}
    made = [answer for answer in answers if answer.status_code == 201]
    assert len({answer.content for answer in made}) == 1
    assert sum("Idempotency-Replayed" not in answer.headers for answer in made) == 1
    assert all(answer.headers["Retry-After"] for answer in answers if answer.status_code == 409)
    assert len(titled(callers[0], title)) == 1
    for caller in callers[:2]:  # and afterwards both instances know the answer
        assert caller.post("/v1/tasks", {"title": title}, Idempotency_Key=key).content == made[0].content


def test_one_key_with_other_bodies_makes_one_task(everywhere: Any) -> None:
    callers, key, title = everywhere("alice", 8), str(uuid4()), f"mine {uuid4()}"

    def create(number: int, caller: Caller) -> httpx.Response:
        return caller.post("/v1/tasks", {"title": title, "description": f"{number}"}, Idempotency_Key=key)

    answers = at_once(callers, create)
    statuses = Counter(answer.status_code for answer in answers)
    assert statuses[201] == 1
    assert statuses.keys() <= {201, 409, 422}
    assert len(titled(callers[0], title)) == 1


def test_one_key_of_two_people_on_two_routes_is_four_keys(everywhere: Any) -> None:
    alice, bob = everywhere("alice", 2), everywhere("bob", 2)
    key = str(uuid4())
    tasks = [callers[0].post("/v1/tasks", {"title": "before"}).json()["id"] for callers in (alice, bob)]

    def write(number: int, caller: Caller) -> httpx.Response:
        if number % 2:
            return caller.patch(f"/v1/tasks/{tasks[number // 2]}", {"title": "after"}, Idempotency_Key=key)
        return caller.post("/v1/tasks", {"title": "another"}, Idempotency_Key=key)

    answers = at_once([*alice, *bob], write)
    assert [answer.status_code for answer in answers] == [201, 200, 201, 200]
    assert not any("Idempotency-Replayed" in answer.headers for answer in answers)


def test_of_two_patches_with_one_version_one_wins(everywhere: Any) -> None:
    callers = everywhere("alice", 2)
    task = callers[0].post("/v1/tasks", {"title": "contested"}).json()["id"]
    for version in range(1, 11):
        seen = f'"{version}"'

        def write(number: int, caller: Caller, seen: str = seen) -> httpx.Response:
            return caller.patch(f"/v1/tasks/{task}", {"title": f"{number} after {seen}"}, If_Match=seen)

        answers = at_once(callers, write)
        assert sorted(answer.status_code for answer in answers) == [200, 412]
        lost = next(answer for answer in answers if answer.status_code == 412)
        assert lost.json()["version"] == version + 1


def test_eight_writers_at_once_lose_nothing(everywhere: Any) -> None:
    bob = everywhere("bob", 1)[0].get("/v1/me").json()["id"]
    patches: list[dict[str, Any]] = [
        {"title": "new"},
        {"description": "new"},
        {"priority": "urgent"},
        {"status": "completed"},
        {"due_at": "2027-01-31T12:00:00.000Z"},
        {"labels": ["new"]},
        {"assignee": bob},
        {"title": "newer"},
    ]
    callers = everywhere("alice", len(patches))
    task = callers[0].post("/v1/tasks", {"title": "old"}).json()["id"]
    answers = at_once(callers, lambda number, caller: caller.patch(f"/v1/tasks/{task}", patches[number]))
    assert {answer.status_code for answer in answers} == {200}
    assert sorted(answer.json()["version"] for answer in answers) == list(range(2, 2 + len(patches)))
    last_title = max((answers[0].json(), answers[7].json()), key=lambda told: told["version"])["title"]
    for caller in callers[:2]:
        now = caller.get(f"/v1/tasks/{task}").json()
        assert now == {**now, **dict(item for patch in patches for item in patch.items()), "title": last_title}
        assert now["version"] == 1 + len(patches)
