"""The first pages of "my tasks" and "my active tasks" from the cache"""

from typing import Any

import pytest

from tests.cast import Caller, assert_problem
from tests.tasks_app.test_tasks_get import where

pytestmark = pytest.mark.django_db(transaction=True)
HOT = ["", "?status=pending,in-progress", "?status=pending%2Cin-progress&page_size=2", "?page_size=2"]
OTHERS = [
    "?status=pending",
    "?page_size=02",
    "?fields=id",
    "?sort=-created_at",
    "?owner=me",
    "?page_size=2&page_size=2",
]
Queries = Any


@pytest.mark.parametrize("query", HOT)
def test_cache_list_the_second_read_is_the_same_answer_without_a_query(
    alice: Caller, query: str, django_assert_num_queries: Queries
) -> None:
    for _ in range(3):
        alice.make()
    first = alice.get(f"/v1/tasks{query}")
    with django_assert_num_queries(0):
        again = alice.get(f"/v1/tasks{query}")
    assert (again.content, again.headers.get("Link")) == (first.content, first.headers.get("Link"))
    assert (again.headers["Content-Type"], again.status_code) == ("application/json", 200)


def test_cache_list_goes_on_from_a_kept_page(alice: Caller) -> None:
    made = [alice.make()["id"] for _ in range(5)]
    for _ in range(2):
        assert [task["id"] for task in alice.pages("/v1/tasks", page_size=2)] == made[::-1]


@pytest.mark.parametrize("query", OTHERS)
def test_cache_list_other_queries_are_not_kept(alice: Caller, redis: Any, query: str) -> None:
    alice.make()
    for _ in range(2):
        alice.get(f"/v1/tasks{query}")
    assert not [key for key in redis.hkeys(f"tm:{{{alice.id}}}:kept") if key.startswith(b"tasks")]


def test_cache_list_each_user_has_his_own(alice: Caller, bob: Caller, ada: Caller) -> None:
    task = alice.make()
    for _ in range(2):
        assert alice.get("/v1/tasks").json()["results"] == [task]
        for other in (bob, ada):
            assert other.get("/v1/tasks").json()["results"] == []


def test_cache_list_any_write_to_a_task_of_the_list_is_seen_at_once(alice: Caller, bob: Caller, ada: Caller) -> None:
    task = alice.make(assignee=bob.id)

    def listed() -> list[dict[str, Any]]:
        answers = [alice.get(f"/v1/tasks{query}").json()["results"] for query in HOT for _ in range(2)]
        assert all(answer == answers[0] for answer in answers)
        return list(answers[0])

    assert listed() == [task]
    for caller, change in ((alice, {"title": "x"}), (bob, {"status": "in-progress"}), (ada, {"priority": "high"})):
        changed = caller.patch(where(task), change).json()
        assert listed() == [changed]
    more = alice.make()
    assert listed() == [more, changed]
    ada.delete(where(more))
    assert listed() == [changed]
    alice.post(f"{where(more)}/restore")
    assert [task["id"] for task in listed()] == [more["id"], changed["id"]]


def test_cache_list_a_completed_task_leaves_the_active_ones(alice: Caller) -> None:
    task = alice.make()
    assert alice.get("/v1/tasks?status=pending,in-progress").json()["results"] == [task]
    alice.patch(where(task), {"status": "completed"})
    assert alice.get("/v1/tasks?status=pending,in-progress").json()["results"] == []


def test_cache_list_who_may_read_no_task_is_403_on_a_hit(alice: Caller, client_for: Any) -> None:
    alice.make()
    alice.get("/v1/tasks")
    assert_problem(client_for("alice", realm_access={"roles": []}).get("/v1/tasks"), 403)


def test_cache_list_of_many_large_tasks_is_not_kept(alice: Caller, redis: Any) -> None:
    for _ in range(30):
        alice.make(description="x" * 9_900)
    for _ in range(2):
        assert len(alice.get("/v1/tasks").json()["results"]) == 30
    assert redis.hkeys(f"tm:{{{alice.id}}}:kept") == [b"t"]
