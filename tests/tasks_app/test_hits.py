"""What the cache answers before a view is looked for is what the view would say, and is counted once"""

import logging
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from accounts import access, denials, sightings
from accounts.models import User
from config.cache import memory
from config.observability import context, metrics
from tasks_app.api import hits
from tasks_app.api.tasks import TaskViewSet
from tests.cast import Answer, Caller, assert_problem
from tests.tasks_app.test_tasks_get import where

pytestmark = pytest.mark.django_db(transaction=True)
LISTS = ("/v1/tasks", "/v1/tasks?status=pending,in-progress", "/v1/tasks?page_size=2")
_HEADERS = ("if-none-match", "consistency-token", "content-length", "transfer-encoding", "content-encoding")
STRANGE = (
    *({name: ""} for name in _HEADERS),
    *({"if-none-match": '"1"'}, {"if-none-match": "junk"}, {"consistency-token": "junk"}),
    *({"content-length": "3"}, {"content-length": "x"}, {"transfer-encoding": "chunked"}, {"content-encoding": "gzip"}),
    *({"authorization": "Bearer"}, {"authorization": "bearer x"}, {"authorization": "Basic x"}),
)


def told(answer: Answer) -> tuple[Any, ...]:
    """All that an answer says but for what is new in each: its id, and what is left of a limit."""
    headers = {name: value for name, value in answer.headers.items() if name not in {"X-Request-Id", "RateLimit"}}
    body = answer.content if answer.status_code < 400 or not answer.content else {**answer.json(), "request_id": ""}
    return answer.status_code, body, headers


def left(answer: Answer) -> int:
    """Calls that are left of the limit."""
    return int(answer.headers["RateLimit"].partition(";r=")[2].partition(";")[0])


@pytest.fixture
def by_views(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Answer]], Answer]:
    """Makes a call that no hit answers."""

    def call(ask: Callable[[], Answer]) -> Answer:
        with monkeypatch.context() as patch:
            patch.setattr(hits, "_hit", lambda request: None)
            return ask()

    return call


@pytest.mark.parametrize("origins", [frozenset(), frozenset({"https://app.example.org"})])
def test_hits_say_what_the_views_say(
    client_for: Callable[..., Caller], limits: Callable[..., None], by_views: Any, settings: Any, origins: Any
) -> None:
    limits(user=(100_000, 60))
    settings.CORS_ORIGINS = origins
    chance, people = random.Random(1), [client_for(name) for name in ("alice", "bob", "ada", "vera")]
    assert [person.get("/v1/me").status_code for person in people] == [200] * 4
    tasks = [people[number % 2].make(assignee=chance.choice(people).id) for number in range(4)]
    people.append(client_for("bob", realm_access={"roles": []}))
    people.append(client_for(None))
    statuses = set()
    for _ in range(250):
        caller, path = chance.choice(people), chance.choice([*map(where, tasks), where(tasks[0]).upper(), *LISTS])
        path = path.replace("/V1/TASKS", "/v1/tasks")
        headers = chance.choice([{}, {}, {}, {"origin": "https://app.example.org"}, *STRANGE])
        method = chance.choice(["GET", "GET", "GET", "HEAD", "OPTIONS"])

        def ask(caller: Caller = caller, method: str = method, path: str = path, headers: Any = headers) -> Answer:
            return caller.call(method, path, headers=headers)

        by_views(ask)  # so that it is kept
        answer = told(ask())
        assert answer == told(by_views(ask))
        statuses.add(answer[0])
    assert statuses >= {200, 204, 304, 400, 401, 403, 404}


def test_hits_ask_no_view(alice: Caller, ada: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    task = alice.make()
    asked = [lambda path=path: alice.get(path) for path in LISTS] + [lambda: ada.get(where(task))]
    first = [told(ask()) for ask in asked]

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a view was asked")

    monkeypatch.setattr(TaskViewSet, "dispatch", refuse)
    assert [told(ask()) for ask in asked] == first


def test_hits_and_misses_are_counted_once(alice: Caller, redis: Any, by_views: Any) -> None:
    task, counts = alice.make(), []
    for path in (where(task), "/v1/tasks", "/v1/tasks?page_size=7", "/v1/tasks?sort=title"):
        counts += [left(alice.get(path)), left(alice.get(path)), left(by_views(lambda path=path: alice.get(path)))]
    assert counts == list(range(counts[0], counts[0] - 12, -1))


def test_hits_over_the_limit_are_refused_and_counted_no_further(alice: Caller, limits: Callable[..., None]) -> None:
    limits(user=(3, 3600))
    task = alice.make()
    assert [alice.get(where(task)).status_code for _ in range(2)] == [200, 200]
    for _ in range(2):
        assert_problem(alice.get(where(task)), 429)


def test_hits_are_measured_and_told_like_other_calls(
    alice: Caller, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = alice.make()
    users = list[str | None]()

    def note(_: logging.LogRecord) -> bool:
        users.append(context.user_id.get())
        return True

    monkeypatch.setattr(logging.getLogger("api"), "filters", [note])
    for path, route in ((where(task), "/v1/tasks/<id:id>"), ("/v1/tasks", "/v1/tasks")):
        alice.get(path)
        series = metrics.REQUESTS.labels("GET", route, "200")
        before = series._sum.get()
        caplog.clear()
        with caplog.at_level("INFO", "api"):
            alice.get(path)
        assert series._sum.get() > before
        [line] = [record for record in caplog.records if record.name == "api"]
        assert (line.endpoint, line.method, line.status) == (route, "GET", 200)  # type: ignore[attr-defined]
    assert users[-2:] == [alice.id, alice.id]


def test_hits_are_refused_who_lost_his_role_or_whose_tokens_are_denied_with_everybodys(
    alice: Caller, client_for: Callable[..., Caller]
) -> None:
    task = alice.make()
    for path in (where(task), "/v1/tasks"):
        assert alice.get(path).status_code == 200
        assert_problem(client_for("alice", realm_access={"roles": []}).get(path), 403)
    denials.deny_everybody(int(time.time()) + 5)
    access.ACCESS.forget()
    for path in (where(task), "/v1/tasks"):
        assert_problem(alice.get(path), 401)


def test_hits_are_refused_by_a_denial_that_redis_has_forgotten(alice: Caller, redis: Any) -> None:
    redis.set(memory.KEY, f"{time.time_ns() // 1000:016d}")  # it remembers since now
    task = alice.make()
    denials.deny_subject(alice.id)
    redis.delete(f"tm:{{{alice.id}}}:denied")
    access.DENIED.forget()
    for path in (where(task), "/v1/tasks"):
        assert_problem(alice.get(path), 401)


def test_hits_ignore_no_parameter(alice: Caller) -> None:
    task = alice.make()
    assert alice.get(where(task)).status_code == 200
    assert_problem(alice.get(where(task), x="1"), 400)
    assert_problem(alice.get("/v1/tasks", page_size="50", x="1"), 400)


def test_hits_are_counted_once_while_redis_may_have_forgotten_something(alice: Caller, redis: Any) -> None:
    task = alice.make()
    redis.delete(memory.KEY)
    first = left(alice.get(where(task)))
    assert [left(alice.get(where(task))) for _ in range(3)] == [first - 1, first - 2, first - 3]


def test_hits_are_seen_as_calls_of_their_user(alice: Caller) -> None:
    task, long_ago = alice.make(), datetime(2026, 1, 1, tzinfo=UTC)
    alice.get(where(task))
    User.objects.filter(id=alice.id).update(last_seen_at=long_ago)
    sightings.forget()
    alice.get(where(task))
    assert User.objects.filter(id=alice.id, last_seen_at__gt=long_ago).exists()
