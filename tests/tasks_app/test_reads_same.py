"""What is answered before a view is looked for is what the view would say, and is counted and measured once"""

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from urllib.parse import quote

import pytest
from django.db import OperationalError
from prometheus_client import REGISTRY

from config.cache import memory, shelf
from config.cache import redis as house_redis
from config.data import reading
from tasks_app.api.tasks import TaskViewSet
from tests.accounts.keycloak import BOB
from tests.cast import Answer, Caller
from tests.tasks_app.test_tasks_get import where

pytestmark = pytest.mark.django_db(transaction=True)
HOT = ("/v1/tasks", "/v1/tasks?status=pending,in-progress", "/v1/tasks?page_size=2")
NOBODYS = "/v1/tasks/0192f0c1-d2e3-7b5a-8000-000000000000"
_GOOD = (
    *("status=completed", "priority=high,normal&page_size=1", "sort=due_at&page_size=1", "sort=-due_at", "q=water"),
    *("fields=id,title&page_size=2", "fields=id", "label=x&label=%C3%A4", "assignee=me", "assignee=none", "owner=any"),
    *("created_after=2020-01-01T00:00:00Z&sort=created_at", "due_before=2028-01-01T00:00:00%2b01:00", f"owner={BOB}"),
    *("updated_after=2020-01-01T00:00:00Z&sort=-updated_at&page_size=1", "page_size=%32", "&page_size=2&", "label=a+b"),
)
_BAD = (
    *("page_size=0", "page_size=050", "page_size=101", "page_size=2&page_size=2", "sort=title", "status=", "status"),
    *("x=1", "label=", "label=%ff", "q=%00", "q=%ed%a0%80", "cursor=", "cursor=junk", "fields=id,id", "due_after=soon"),
    *("created_after=1960-01-01T00:00:00Z", "created_after=9999-12-31T23:59:59.9999Z", "&".join(["label=x"] * 1001)),
)
LISTS = (*HOT, *(f"/v1/tasks?{query}" for query in (*_GOOD, *_BAD)))
_HEADERS = ("if-none-match", "consistency-token", "content-length", "transfer-encoding", "content-encoding")
STRANGE = (
    *({name: ""} for name in _HEADERS),
    *({"if-none-match": '"1"'}, {"if-none-match": "junk"}, {"consistency-token": "junk"}),
    *({"content-length": "3"}, {"content-length": "x"}, {"transfer-encoding": "chunked"}, {"content-encoding": "gzip"}),
    *({"authorization": "Bearer"}, {"authorization": "bearer x"}, {"authorization": "Basic x"}),
)
COUNTED = ("taskmill_cache_reads_total", "taskmill_reads_total", "http_server_request_duration_seconds_count")


def told(answer: Answer) -> tuple[Any, ...]:
    """All that an answer says but for what is new in each: its id, and what is left of a limit."""
    # Redis was too slow, on a busy machine: then the limit was this process's share of it.
    new = {"X-Request-Id", "RateLimit"} | ({"RateLimit-Policy"} if house_redis.lately_back() else set())
    headers = {name: "" if name in new else value for name, value in answer.headers.items()}
    body = answer.content if answer.status_code < 400 or not answer.content else {**answer.json(), "request_id": ""}
    return answer.status_code, body, headers


def counted() -> Counter[Any]:
    samples = [sample for metric in REGISTRY.collect() for sample in metric.samples if sample.name in COUNTED]
    return Counter({(sample.name, *sorted(sample.labels.items())): int(sample.value) for sample in samples})


def cursors(person: Caller) -> Iterator[str]:
    """The next pages of a person's lists."""
    for path in LISTS:
        answer = person.get(path)
        if answer.status_code == 200 and (cursor := answer.json()["next_cursor"]):
            yield f"{path}{'&' if '?' in path else '?'}cursor={quote(cursor)}"


@pytest.fixture(params=["usual", "origins", "nothing is kept", "unsure", "no redis"])
def enter(
    request: pytest.FixtureRequest, redis: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], None]:
    """Lets the rest of the test happen in one of these states."""
    monkeypatch.setattr(shelf, "longest_wait", 0.0)  # for what one who may not read was to read for the others

    def enter() -> None:
        match request.param:
            case "origins":
                settings.CORS_ORIGINS = frozenset({"https://app.example.org"})
            case "nothing is kept":
                settings.CACHE_TTL = 0.0
            case "unsure":
                redis.delete(memory.KEY)
            case "no redis":  # the breaker is open, as after a time-out
                monkeypatch.setattr(house_redis._breaker, "_closed", threading.Event())

    return enter


def test_reads_say_what_the_views_say(
    client_for: Callable[..., Caller],
    limits: Callable[..., None],
    by_views: Any,
    forget_kept: Callable[[], None],
    enter: Callable[[], None],
) -> None:
    limits(user=(100_000, 60), ip=(100_000, 60))
    chance, people = random.Random(1), [client_for(name) for name in ("alice", "bob", "ada", "vera")]
    assert [person.get("/v1/me").status_code for person in people] == [200] * 4
    tasks = [people[number % 2].make(assignee=chance.choice(people).id) for number in range(8)]
    later = [path for person in people for path in cursors(person)]
    people += [client_for("bob", realm_access={"roles": []}), client_for(None)]
    enter()
    statuses = set()
    for _ in range(300):
        one = [*map(where, tasks[:4]), where(tasks[0]).upper().replace("/V1/TASKS", "/v1/tasks"), NOBODYS]
        path = chance.choice(chance.choice([one, HOT, LISTS, later]))
        caller, method = chance.choice(people), chance.choice(["GET", "GET", "GET", "GET", "HEAD", "OPTIONS"])
        headers = chance.choice([*[{}] * 8, {"origin": "https://app.example.org"}, *STRANGE])

        def ask(caller: Caller = caller, method: str = method, path: str = path, headers: Any = headers) -> Answer:
            return caller.call(method, path, headers=headers)

        if chance.random() < 0.5:
            forget_kept()
        answer, the_views = ask(), by_views(ask)
        assert told(answer) == told(the_views), (method, path, headers)
        statuses.add(answer.status_code)
    assert statuses >= {200, 204, 304, 400, 401, 403, 404}


def test_reads_ask_no_view(
    alice: Caller, ada: Caller, by_views: Any, forget_kept: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = [alice.make() for _ in range(3)]
    paths = [*LISTS, *cursors(alice), NOBODYS]
    asked = [lambda path=path: alice.get(path) for path in paths] + [lambda: ada.get(where(tasks[0]))]
    first = [told(by_views(ask)) for ask in asked]

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a view was asked")

    monkeypatch.setattr(TaskViewSet, "dispatch", refuse)
    for _ in range(2):
        assert [told(ask()) for ask in asked] == first
        forget_kept()


@pytest.mark.parametrize("error", [OperationalError("gone"), RuntimeError("a bug")])
def test_reads_that_fail_say_what_the_views_say_and_try_no_more_often(
    alice: Caller, by_views: Any, forget_kept: Callable[[], None], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    task, tries = alice.make(), list[str]()

    def fail() -> str:
        tries.append("")
        raise error

    monkeypatch.setattr(reading, "alias", fail)
    forget_kept()
    for path in (where(task), *HOT, "/v1/tasks?sort=due_at"):
        answer = told(alice.get(path))
        assert (answer[0], len(tries)) == (503 if isinstance(error, OperationalError) else 500, 1)
        assert answer == told(by_views(lambda path=path: alice.get(path)))
        tries.clear()


def test_reads_are_counted_as_the_views_count(alice: Caller, by_views: Any, forget_kept: Callable[[], None]) -> None:
    tasks = [alice.make() for _ in range(3)]

    def counts(ask: Callable[[], Answer]) -> Counter[Any]:
        forget_kept()
        before = counted()
        ask(), ask()
        return counted() - before

    for path in (where(tasks[0]), NOBODYS, *LISTS, *cursors(alice)):
        ask = partial(alice.get, path)
        found = counts(ask)
        assert found == counts(partial(by_views, ask)), path
        assert {name for name, *_ in found} >= {COUNTED[-1]}
