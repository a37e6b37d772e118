"""GET /v1/tasks/{id}"""

from typing import Any

import pytest

from config.cache.shelf import ITSELF, Place
from tests.cast import Caller, assert_problem

pytestmark = pytest.mark.django_db
NO_TASK = "0192f0c1-d2e3-7b5a-8000-000000000000"


def where(task: dict[str, Any]) -> str:
    return f"/v1/tasks/{task['id']}"


def test_tasks_get_anonymous_is_401(alice: Caller, anonymous: Caller) -> None:
    for path in (where(alice.make()), f"/v1/tasks/{NO_TASK}"):
        assert_problem(anonymous.get(path), 401)


def test_tasks_get_without_a_role_is_403(alice: Caller, client_for: Any) -> None:
    for path in (where(alice.make()), f"/v1/tasks/{NO_TASK}"):
        assert_problem(client_for("nobody").get(path), 403)


def test_tasks_get_of_a_stranger_is_the_same_404_as_of_no_task(alice: Caller, bob: Caller, vera: Caller) -> None:
    task = alice.make(title="secret")
    for caller in (bob, vera):
        hidden, missing = caller.get(where(task)), caller.get(f"/v1/tasks/{NO_TASK}")
        problem, other = assert_problem(hidden, 404, "not-found"), assert_problem(missing, 404)
        differing = {"instance", "request_id"}
        assert {k: v for k, v in problem.items() if k not in differing} == {
            k: v for k, v in other.items() if k not in differing
        }


def test_tasks_get_own_is_200(alice: Caller) -> None:
    task = alice.make()
    answer = alice.get(where(task))
    assert (answer.status_code, answer.json()) == (200, task)
    assert (answer.headers["ETag"], answer.headers["Content-Type"]) == ('"1"', "application/json")


def test_tasks_get_assigned_is_200_until_it_is_taken_back(alice: Caller, bob: Caller, client_for: Any) -> None:
    task = alice.make(assignee=bob.id)
    assert bob.get(where(task)).json() == task
    alice.patch(where(task), {"assignee": None})
    assert_problem(bob.get(where(task)), 404)


def test_tasks_get_assigned_to_a_viewer_is_200(alice: Caller, vera: Caller) -> None:
    vera.get("/v1/me")
    assert vera.get(where(alice.make(assignee=vera.id))).status_code == 200


def test_tasks_get_admin_sees_everybodys(alice: Caller, ada: Caller) -> None:
    task = alice.make()
    assert ada.get(where(task)).json() == task


def test_tasks_get_admin_who_lost_the_role_sees_his_own_only(alice: Caller, client_for: Any) -> None:
    task = alice.make()
    assert client_for("ada").get(where(task)).status_code == 200
    demoted = client_for("ada", realm_access={"roles": ["user"]})
    assert_problem(demoted.get(where(task)), 404)
    assert demoted.get(where(demoted.make())).status_code == 200


def test_tasks_get_same_name_and_mail_is_not_the_same_person(alice: Caller, client_for: Any) -> None:
    twin = client_for("alice", sub="somebody-else")
    assert_problem(twin.get(where(alice.make())), 404)


def test_tasks_get_in_the_trash_is_404_for_everybody(alice: Caller, ada: Caller) -> None:
    task = alice.make()
    alice.delete(where(task))
    for caller in (alice, ada):
        assert_problem(caller.get(where(task)), 404)


@pytest.mark.parametrize("tag", ['"1"', 'W/"1"', "*", '"7", "1"'])
def test_tasks_get_unchanged_is_304_without_a_body(alice: Caller, tag: str) -> None:
    task = alice.make()
    answer = alice.get(where(task), headers={"if-none-match": tag})
    assert (answer.status_code, answer.content) == (304, b"")
    assert answer.headers["ETag"] == '"1"'
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert answer.headers["Vary"] == "Authorization"
    assert "Content-Type" not in answer.headers


def test_tasks_get_changed_is_200_whatever_the_client_had(alice: Caller) -> None:
    task = alice.make()
    changed = alice.patch(where(task), {"title": "two"}).json()
    answer = alice.get(where(task), headers={"if-none-match": '"1"'})
    assert (answer.status_code, answer.json(), answer.headers["ETag"]) == (200, changed, '"2"')


def test_tasks_get_304_does_not_tell_of_anothers_task(alice: Caller, bob: Caller) -> None:
    task = alice.make()
    for tag in ('"1"', "*"):
        assert_problem(bob.get(where(task), headers={"if-none-match": tag}), 404)


def test_tasks_get_304_costs_nothing(alice: Caller, limits: Any) -> None:
    task = alice.make()
    left = alice.get("/v1/me/limits").json()["user"]["remaining"]
    for _ in range(3):
        answer = alice.get(where(task), headers={"if-none-match": '"1"'})
        assert f'"user";r={left};' in answer.headers["RateLimit"]
    assert alice.get("/v1/me/limits").json()["user"]["remaining"] == left


def test_tasks_get_malformed_if_none_match_is_400(alice: Caller) -> None:
    assert_problem(alice.get(where(alice.make()), headers={"if-none-match": "1"}), 400)


def test_tasks_get_head_is_get_without_the_body(alice: Caller) -> None:
    task = alice.make()
    got, head = alice.get(where(task)), alice.call("HEAD", where(task))
    assert (head.status_code, head.content) == (200, b"")
    for header in ("ETag", "Content-Type", "Content-Length", "Cache-Control"):
        assert head.headers[header] == got.headers[header]
    assert int(head.headers["Content-Length"]) == len(got.content)
    missing = alice.call("HEAD", f"/v1/tasks/{NO_TASK}")
    assert (missing.status_code, missing.content) == (404, b"")


ODD_PATHS = ["{id}/", "/{id}", "{id}x", "1", "..%2f{id}", "%00", "{id}%0A"]


@pytest.mark.parametrize("path", ODD_PATHS)
def test_tasks_get_another_path_is_404(alice: Caller, path: str) -> None:
    assert_problem(alice.get("/v1/tasks/" + path.format(id=alice.make()["id"])), 404)


def test_tasks_get_unknown_parameter_is_400(alice: Caller) -> None:
    assert_problem(alice.get(where(alice.make()), fields="title"), 400, "invalid-parameter")


def test_tasks_get_is_one_query_and_none_while_it_is_kept(
    alice: Caller, bob: Caller, redis: Any, django_assert_num_queries: Any
) -> None:
    task = alice.make(assignee=bob.id)
    for caller in (alice, bob):
        caller.get("/v1/me")
        redis.delete(Place(task["id"], ITSELF).shelf)
        for queries in (1, 0):
            with django_assert_num_queries(queries):
                assert caller.get(where(task)).json() == task


def test_tasks_get_304_and_404_are_one_query(alice: Caller, django_assert_num_queries: Any) -> None:
    task = alice.make()
    for path, status in ((where(task), 304), (f"/v1/tasks/{NO_TASK}", 404)):
        with django_assert_num_queries(1):
            assert alice.get(path, headers={"if-none-match": "*"}).status_code == status
