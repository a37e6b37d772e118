"""GET /v1/tasks/{id} from the cache: the same answers, to the same people, and never an older state"""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest

from accounts.principal import Principal
from config.cache.shelf import ITSELF, READS, Place
from config.data import consistency
from tasks_app.models import Task
from tasks_app.querysets import visible
from tasks_app.services import oversight, trash
from tests.cast import Caller, assert_problem
from tests.config.servers import LONG_AGO
from tests.tasks_app.test_tasks_get import where

pytestmark = pytest.mark.django_db(transaction=True)
Queries = Any  # django_assert_num_queries


def shelf(task: dict[str, Any]) -> str:
    return Place(task["id"], ITSELF).shelf


def everything(redis: Any) -> bytes:
    """All that lies in Redis."""
    texts = []
    for key in redis.keys("*"):
        read = {b"string": redis.get, b"hash": redis.hgetall, b"list": lambda key: redis.lrange(key, 0, -1)}
        texts.append(repr((key, read[redis.type(key)](key))))
    return "\n".join(texts).encode()


def test_cache_get_after_each_write_the_next_read_asks_no_database(
    alice: Caller, django_assert_num_queries: Queries
) -> None:
    task = alice.make()
    for change in ({"title": "two"}, {"status": "completed"}, {"labels": ["a", "\u2028\n"]}):
        task = alice.patch(where(task), change).json()
        with django_assert_num_queries(0):
            answer = alice.get(where(task))
        assert (answer.json(), answer.headers["ETag"]) == (task, f'"{task["version"]}"')
        assert answer.headers["Cache-Control"] == "private, no-cache"


def test_cache_get_304_has_no_body_and_asks_no_database(alice: Caller, django_assert_num_queries: Queries) -> None:
    task = alice.make()
    with django_assert_num_queries(0):
        answer = alice.get(where(task), headers={"if-none-match": '"1"'})
    assert (answer.status_code, answer.content, answer.headers["ETag"]) == (304, b"", '"1"')


def test_cache_get_head_has_the_headers_of_get(alice: Caller, django_assert_num_queries: Queries) -> None:
    task = alice.make()
    with django_assert_num_queries(0):
        got, head = alice.get(where(task)), alice.call("HEAD", where(task))
    assert head.content == b""
    assert head.headers["Content-Length"] == got.headers["Content-Length"]


def test_cache_get_the_bytes_are_those_of_the_database(alice: Caller, redis: Any) -> None:
    task = alice.make(title='"\\\u2028', description="ä" * 500, labels=["x"], due_at="2027-01-01T00:00:00Z")
    written = alice.get(where(task))
    redis.delete(shelf(task))
    read, kept = alice.get(where(task)), alice.get(where(task))
    assert written.content == read.content == kept.content


def test_cache_get_is_counted(alice: Caller, redis: Any) -> None:
    def count(result: str) -> float:
        return float(READS.labels("task", result)._value.get())

    task, hits, misses = alice.make(), count("hit"), count("miss")
    alice.get(where(task))
    redis.delete(shelf(task))
    alice.get(where(task))
    assert (count("hit") - hits, count("miss") - misses) == (1, 1)


@pytest.mark.parametrize("admin", [False, True])
def test_cache_the_rule_for_one_task_is_the_querysets_rule(alice: Caller, bob: Caller, admin: bool) -> None:
    tasks = [alice.make(), alice.make(assignee=bob.id), alice.make(assignee=alice.id), bob.make()]
    permissions = frozenset({"tasks:read"} | ({"tasks:admin"} if admin else set()))
    for person in (alice.id, bob.id, "somebody", "", "None"):
        principal = Principal(person, "", "", frozenset(), permissions, None, 0, 0, "taskmill-web")
        seen = {str(id) for id in Task.objects.visible_to(principal).values_list("id", flat=True)}
        assert {task["id"] for task in tasks if visible(principal, task["owner"], task["assignee"])} == seen


def test_cache_get_warm_for_the_owner_is_404_for_a_stranger(alice: Caller, bob: Caller, vera: Caller) -> None:
    task = alice.make(title="secret")
    assert alice.get(where(task)).status_code == 200
    for caller in (bob, vera):
        assert_problem(caller.get(where(task)), 404, "not-found")
        assert_problem(caller.get(where(task), headers={"if-none-match": "*"}), 404)
    assert alice.get(where(task)).status_code == 200


def test_cache_get_who_lost_the_role_or_the_assignment_is_404(alice: Caller, bob: Caller, client_for: Any) -> None:
    task = alice.make(assignee=bob.id)
    assert client_for("ada").get(where(task)).status_code == 200
    assert_problem(client_for("ada", realm_access={"roles": ["user"]}).get(where(task)), 404)
    assert_problem(client_for("bob", realm_access={"roles": []}).get(where(task)), 403)
    assert bob.get(where(task)).status_code == 200
    alice.patch(where(task), {"assignee": None})
    assert_problem(bob.get(where(task)), 404)


def test_cache_get_denied_over_the_limit_or_anonymous_is_refused_on_a_hit(
    alice: Caller, anonymous: Caller, redis: Any, limits: Callable[..., None]
) -> None:
    task = alice.make()
    assert_problem(anonymous.get(where(task)), 401)
    limits(user=(1, 60))
    assert_problem(alice.get(where(task)), 429)
    limits(user=(100, 60))
    redis.set(f"tm:{{{alice.id}}}:denied:session-of-alice", 1)
    assert_problem(alice.get(where(task)), 401)


def test_cache_get_a_deleted_task_is_404_and_a_restored_one_is_there(alice: Caller, ada: Caller) -> None:
    task = alice.make()
    for _ in range(2):
        assert alice.delete(where(task)).status_code == 204
        for caller in (alice, ada):
            assert_problem(caller.get(where(task)), 404)
        restored = alice.post(f"{where(task)}/restore").json()
        for caller in (alice, ada):
            assert caller.get(where(task)).json() == restored


@pytest.mark.parametrize("purge", ["by its owner", "by the job"])
def test_cache_a_purge_leaves_no_text(alice: Caller, redis: Any, settings: Any, purge: str) -> None:
    task = alice.make(title="canary-7c1", description="canary-7c1")
    for path in (where(task), "/v1/tasks", "/v1/tasks?status=pending,in-progress"):
        alice.get(path)
    assert b"canary-7c1" in everything(redis)
    alice.delete(where(task))
    if purge == "by the job":
        settings.TRASH_RETENTION = -1.0
        assert trash.purge_old() == 1
    else:
        assert alice.delete(f"/v1/trash/{task['id']}").status_code == 204
    assert b"canary-7c1" not in everything(redis)
    assert_problem(alice.get(where(task)), 404)


def test_cache_what_an_admin_does_in_the_admin_is_seen_at_once(alice: Caller, ada: Caller) -> None:
    ada.get("/v1/me")
    task = alice.make()
    alice.get("/v1/tasks")
    assert oversight.complete(actor=ada.id, task=UUID(task["id"]))
    assert alice.get(where(task)).json()["status"] == "completed"
    assert alice.get("/v1/tasks").json()["results"][0]["status"] == "completed"
    assert oversight.trash(actor=ada.id, task=UUID(task["id"]))
    assert_problem(alice.get(where(task)), 404)
    assert alice.get("/v1/tasks").json()["results"] == []


def test_cache_a_write_that_was_rolled_back_is_not_seen(alice: Caller) -> None:
    task = alice.make()
    assert_problem(alice.patch(where(task), {"title": "x"}, if_match='"7"'), 412)
    assert alice.get(where(task)).json() == task


HEAD = b"1" + b"%013d" % (10**13 - 1) + LONG_AGO.encode() + b"7\n"


@pytest.mark.parametrize(
    "junk",
    [
        b"",
        b"junk",
        b"\x80\x04\x95cos\nsystem\n(S'id'\ntR.",
        HEAD,
        HEAD.replace(b"\n", b"") + b"7",
        HEAD + b"7\n{}",
        HEAD + b"[]\n{}",
        HEAD + b'{"a": 1}\n{}',
        HEAD + b"\xff\n{}",
        b"2" + HEAD[1:] + b"rest",
        HEAD.replace(b"9", b"x") + b"rest",
    ],
)
def test_cache_get_junk_is_a_miss(alice: Caller, redis: Any, junk: bytes) -> None:
    task = alice.make()
    redis.hset(shelf(task), ITSELF, junk)
    assert alice.get(where(task)).json() == task


@pytest.mark.parametrize("kind", ["set", "lpush", "sadd"])
def test_cache_get_a_key_of_another_kind_is_a_miss_and_fails_no_write(alice: Caller, redis: Any, kind: str) -> None:
    task = alice.make()
    for _ in range(2):
        redis.delete(shelf(task))
        getattr(redis, kind)(shelf(task), "junk")
        assert alice.get(where(task)).json() == task
        redis.delete(shelf(task), shelf({"id": alice.id}))
        getattr(redis, kind)(shelf(task), "junk")
        getattr(redis, kind)(shelf({"id": alice.id}), "junk")
        task = alice.patch(where(task), {"title": str(uuid4())}).json()
        assert alice.get(where(task)).json() == task


def test_cache_get_another_objects_entry_is_a_miss(alice: Caller, bob: Caller, redis: Any) -> None:
    mine, other = alice.make(), bob.make(title="secret of bob")
    secret = redis.hget(shelf(other), ITSELF)
    for place in (mine, other):
        redis.hset(shelf(place), ITSELF, secret)
        redis.hset(shelf({"id": alice.id}), "tasks?", secret)
    assert alice.get(where(mine)).json() == mine
    assert alice.get("/v1/tasks").json()["results"] == [mine]
    assert_problem(alice.get(where(other)), 404)


def test_cache_get_a_token_is_served_only_by_an_entry_that_holds_it(
    alice: Caller, bob: Caller, redis: Any, django_assert_num_queries: Queries
) -> None:
    task = alice.make(assignee=bob.id)
    written = alice.patch(where(task), {"title": "two"})
    with django_assert_num_queries(0):
        token = {"consistency-token": written.headers["Consistency-Token"]}
        assert bob.get(where(task), headers=token).json() == written.json()
    later = alice.post("/v1/tasks", {"title": "x"}).headers["Consistency-Token"]
    assert consistency.decode(later) > consistency.decode(token["consistency-token"])
    with django_assert_num_queries(1):
        assert bob.get(where(task), headers={"consistency-token": later}).json() == written.json()
    with django_assert_num_queries(0):
        assert bob.get(where(task), headers={"consistency-token": later}).json() == written.json()


def test_cache_can_be_turned_off(alice: Caller, redis: Any, settings: Any, django_assert_num_queries: Queries) -> None:
    settings.CACHE_TTL = 0.0
    task = alice.make(title="canary-off")
    for path in (where(task), "/v1/tasks"):
        for _ in range(2):
            with django_assert_num_queries(1):
                assert alice.get(path).status_code == 200
    assert b"canary-off" not in everything(redis)
