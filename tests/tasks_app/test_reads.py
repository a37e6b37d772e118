"""What is answered before a view is looked for is counted, measured and refused like other calls"""

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from accounts import access, denials, sightings
from accounts.models import User
from config.cache import memory
from config.observability import context, metrics
from tests.cast import Answer, Caller, assert_problem
from tests.tasks_app.test_tasks_get import where

pytestmark = pytest.mark.django_db(transaction=True)
UNKEPT = "/v1/tasks?sort=due_at"


def left(answer: Answer) -> int:
    """Calls that are left of the limit."""
    return int(answer.headers["RateLimit"].partition(";r=")[2].partition(";")[0])


def test_reads_are_counted_against_the_limit_once(alice: Caller, redis: Any, by_views: Any) -> None:
    task, counts = alice.make(), []
    for path in (where(task), "/v1/tasks", "/v1/tasks?page_size=7", "/v1/tasks?sort=title"):
        counts += [left(alice.get(path)), left(alice.get(path)), left(by_views(lambda path=path: alice.get(path)))]
    assert counts == list(range(counts[0], counts[0] - 12, -1))


def test_reads_of_what_the_client_has_cost_nothing(alice: Caller, forget_kept: Callable[[], None]) -> None:
    task = alice.make()
    first = left(alice.get(where(task)))
    for _ in range(2):
        answer = alice.get(where(task), headers={"if-none-match": '"1"'})
        assert (answer.status_code, left(answer)) == (304, first)
        forget_kept()


def test_reads_over_the_limit_are_refused_and_counted_no_further(alice: Caller, limits: Callable[..., None]) -> None:
    limits(user=(3, 3600))
    task = alice.make()
    assert [alice.get(path).status_code for path in (where(task), UNKEPT)] == [200, 200]
    for path in (where(task), UNKEPT) * 2:
        assert_problem(alice.get(path), 429)


def test_reads_are_measured_and_told_like_other_calls(
    alice: Caller, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = alice.make()
    users = list[str | None]()

    def note(_: logging.LogRecord) -> bool:
        users.append(context.user_id.get())
        return True

    monkeypatch.setattr(logging.getLogger("api"), "filters", [note])
    for path, route in ((where(task), "/v1/tasks/<id:id>"), ("/v1/tasks", "/v1/tasks"), (UNKEPT, "/v1/tasks")):
        alice.get(path)
        series = metrics.REQUESTS.labels("GET", route, "200")
        before = series._sum.get()
        caplog.clear()
        with caplog.at_level("INFO", "api"):
            alice.get(path)
        assert series._sum.get() > before
        [line] = [record for record in caplog.records if record.name == "api"]
        assert (line.endpoint, line.method, line.status) == (route, "GET", 200)  # type: ignore[attr-defined]
    assert users[-4:] == [alice.id] * 4


def test_reads_are_refused_who_lost_his_role_or_whose_tokens_are_denied_with_everybodys(
    alice: Caller, client_for: Callable[..., Caller]
) -> None:
    task = alice.make()
    for path in (where(task), "/v1/tasks", UNKEPT):
        assert alice.get(path).status_code == 200
        assert_problem(client_for("alice", realm_access={"roles": []}).get(path), 403)
    denials.deny_everybody(int(time.time()) + 5)
    access.ACCESS.forget()
    for path in (where(task), "/v1/tasks", UNKEPT):
        assert_problem(alice.get(path), 401)


def test_reads_are_refused_by_a_denial_that_redis_has_forgotten(alice: Caller, redis: Any) -> None:
    redis.set(memory.KEY, f"{time.time_ns() // 1000:016d}")  # it remembers since now
    task = alice.make()
    denials.deny_subject(alice.id)
    redis.delete(f"tm:{{{alice.id}}}:denied")
    access.DENIED.forget()
    for path in (where(task), "/v1/tasks", UNKEPT):
        assert_problem(alice.get(path), 401)


@pytest.mark.parametrize("what", ["denied", "denied:session-of-alice"])
def test_reads_are_refused_to_a_revoked_token(
    alice: Caller, redis: Any, forget_kept: Callable[[], None], what: str
) -> None:
    task = alice.make()
    redis.set(f"tm:{{{alice.id}}}:{what}", int(time.time()) + 5)
    for path in (where(task), "/v1/tasks", UNKEPT):
        assert_problem(alice.get(path), 401)
        forget_kept()
        assert_problem(alice.get(path), 401)


def test_reads_ignore_no_parameter(alice: Caller) -> None:
    task = alice.make()
    assert alice.get(where(task)).status_code == 200
    assert_problem(alice.get(where(task), x="1"), 400)
    assert_problem(alice.get("/v1/tasks", page_size="50", x="1"), 400)


def test_reads_are_counted_once_while_redis_may_have_forgotten_something(alice: Caller, redis: Any) -> None:
    task = alice.make()
    redis.delete(memory.KEY)
    first = left(alice.get(where(task)))
    assert [left(alice.get(where(task))) for _ in range(3)] == [first - 1, first - 2, first - 3]


def test_reads_are_seen_as_calls_of_their_user(alice: Caller) -> None:
    task, long_ago = alice.make(), datetime(2026, 1, 1, tzinfo=UTC)
    alice.get(where(task))
    User.objects.filter(id=alice.id).update(last_seen_at=long_ago)
    sightings.forget()
    alice.get(where(task))
    assert User.objects.filter(id=alice.id, last_seen_at__gt=long_ago).exists()
