"""An answer from a warm cache is the answer from a cold one, whoever asks and whatever was written in between"""

import random
from collections.abc import Callable
from typing import Any

import pytest

from config.cache.shelf import ITSELF, Place
from config.data import reading
from tests.cast import Answer, Caller
from tests.config.servers import eventually
from tests.tasks_app.test_tasks_get import where
from tests.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)
LISTS = ("/v1/tasks", "/v1/tasks?status=pending,in-progress", "/v1/tasks?page_size=2")
STEPS = 150


def told(answer: Answer) -> tuple[Any, ...]:
    """What a client may see of an answer, but for what is new in each (`request_id`)."""
    body = answer.content if answer.status_code in {200, 304} else answer.json()["type"]
    return answer.status_code, body, answer.headers.get("ETag"), answer.headers.get("Link")


def write(chance: random.Random, caller: Caller, task: dict[str, Any], people: list[Caller]) -> Answer:
    path, who = where(task), chance.choice(people).id
    change = chance.choice(
        [{"title": str(chance.random())}, {"status": "completed"}, {"status": "pending"}, {"assignee": who}]
    )
    kind = chance.choice(["patch", "patch", "delete", "restore"])
    if kind == "patch":
        return caller.patch(path, change)
    return caller.delete(path) if kind == "delete" else caller.post(f"{path}/restore")


@pytest.mark.parametrize("seed", range(3))
def test_cache_warm_answers_equal_cold_ones(
    client_for: Callable[..., Caller], settings: Any, limits: Callable[..., None], seed: int
) -> None:
    limits(user=(100_000, 60), task=(100_000, 60))
    chance, people = random.Random(seed), [client_for(name) for name in ("alice", "bob", "ada", "vera")]
    assert [person.get("/v1/me").status_code for person in people] == [200] * 4
    alice, bob, *_ = people
    tasks = [chance.choice([alice, bob]).make(assignee=chance.choice(people).id) for _ in range(4)]
    statuses = set()
    for _ in range(STEPS):
        caller, task = chance.choice(people), chance.choice(tasks)
        if chance.random() < 0.3:
            write(chance, caller, task, people)
            continue
        path = chance.choice([where(task), where(task), chance.choice(LISTS)])
        headers = chance.choice([{}, {"if-none-match": '"1", "3"'}])
        warm = told(caller.get(path, headers=headers))
        ttl, settings.CACHE_TTL = settings.CACHE_TTL, 0.0
        assert warm == told(caller.get(path, headers=headers))
        settings.CACHE_TTL = ttl
        statuses.add(warm[0])
    assert statuses == {200, 304, 404}


def test_cache_writers_and_readers_at_once_see_no_version_go_back(
    alice: Caller, ada: Caller, settings: Any, limits: Callable[..., None]
) -> None:
    limits(user=(100_000, 60), task=(100_000, 60))
    tasks = [alice.make(title=str(number)) for number in range(2)]

    def run(number: int) -> int:
        chance, seen, caller = random.Random(number), dict.fromkeys(range(2), 1), (alice, ada)[number % 2]
        for step in range(40):
            which = chance.randrange(2)
            if chance.random() < 0.4:
                answer = caller.patch(where(tasks[which]), {"title": f"{number} {step}"})
            else:
                answer = caller.get(where(tasks[which]))
            if answer.status_code != 503:  # too many writers at once
                assert answer.json()["version"] >= seen[which]
                seen[which] = answer.json()["version"]
            newest = {task["id"]: task["version"] for task in alice.get("/v1/tasks").json()["results"]}
            assert newest[tasks[which]["id"]] >= seen[which]
        return 1

    assert at_once(6, run) == [1] * 6
    for path in (where(tasks[0]), where(tasks[1]), "/v1/tasks"):
        settings.CACHE_TTL = 120.0
        warm = told(alice.get(path))
        settings.CACHE_TTL = 0.0
        assert warm == told(alice.get(path))


def test_cache_of_200_readers_of_a_deleted_hot_key_one_reads(
    alice: Caller, redis: Any, settings: Any, limits: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    limits(user=(100_000, 60))
    settings.CACHE_TIMEOUT = 30.0  # two hundred threads of one process starve each other
    task, reads, read = alice.make(), list[int](), reading.read

    def counted(query: Callable[[], Any]) -> Any:
        reads.append(1)
        return read(query)

    monkeypatch.setattr(reading, "read", counted)
    redis.delete(Place(task["id"], ITSELF).shelf)
    assert [answer.json() for answer in at_once(200, lambda _: alice.get(where(task)))] == [task] * 200
    assert len(reads) <= 2
    eventually(lambda: not redis.keys("*lease*"), "nobody leads any more")
