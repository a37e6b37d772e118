"""GET /v1/tasks: whose tasks, which filters, which fields"""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from config.data import ids
from tasks_app.models import Task
from tasks_app.representation import FIELDS
from tests.cast import Caller, assert_problem, refused_parameter

pytestmark = pytest.mark.django_db
URL = "/v1/tasks"


def titles(caller: Caller, **query: Any) -> set[str]:
    return {row["title"] for row in caller.pages(URL, **query)}


def test_tasks_list_anonymous_is_401(anonymous: Caller) -> None:
    assert_problem(anonymous.get(URL), 401)


def test_tasks_list_without_a_role_is_403(client_for: Any) -> None:
    assert_problem(client_for("nobody").get(URL), 403)


def test_tasks_list_is_own_tasks_newest_first(alice: Caller, bob: Caller) -> None:
    mine = [alice.make(title=f"{n}") for n in range(3)]
    bob.make(title="his", assignee=None)
    answer = alice.get(URL)
    assert answer.status_code == 200
    assert {tuple(answer.json()), answer.headers["Content-Type"]} == {("results", "next_cursor"), "application/json"}
    newest_first = sorted(mine, key=lambda task: task["id"], reverse=True)
    assert answer.json() == {"results": newest_first, "next_cursor": None}
    assert "Link" not in answer.headers


def test_tasks_list_of_nobodys_tasks_is_empty(vera: Caller) -> None:
    assert vera.get(URL).json() == {"results": [], "next_cursor": None}


def test_tasks_list_leaves_the_trash_out(alice: Caller) -> None:
    task = alice.make()
    alice.delete(f"{URL}/{task['id']}")
    assert titles(alice) == set()
    assert titles(alice, q="plants") == set()


def test_tasks_list_leaves_out_what_is_only_assigned(alice: Caller, bob: Caller) -> None:
    alice.make(title="for bob", assignee=bob.id)
    bob.make(title="own")
    assert titles(bob) == {"own"}


@pytest.fixture
def several(alice: Caller, bob: Caller) -> None:
    alice.make(title="a1")
    alice.make(title="a2", assignee=bob.id)
    alice.make(title="a3", assignee=alice.id)
    bob.make(title="b1")
    bob.make(title="b2", assignee=alice.id)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"owner": "me"}, {"a1", "a2", "a3"}),
        ({"assignee": "me"}, {"a3", "b2"}),
        ({"assignee": "none"}, {"a1"}),
        ({"assignee": "BOB"}, {"a2"}),
        ({"assignee": "who"}, set()),
        ({"owner": "me", "assignee": "me"}, {"a3"}),
        ({"owner": "me", "assignee": "BOB"}, {"a2"}),
        ({"owner": "ALICE"}, {"a1", "a2", "a3"}),
        ({"assignee": "ALICE"}, {"a3", "b2"}),
    ],
)
def test_tasks_list_by_person(
    several: None, alice: Caller, bob: Caller, query: dict[str, str], found: set[str]
) -> None:
    who = {"ALICE": alice.id, "BOB": bob.id}
    assert titles(alice, **{name: who.get(value, value) for name, value in query.items()}) == found


@pytest.mark.parametrize("owner", ["any", "BOB", "who"])
def test_tasks_list_of_others_is_403_for_a_user(several: None, alice: Caller, bob: Caller, owner: str) -> None:
    problem = assert_problem(alice.get(URL, owner=bob.id if owner == "BOB" else owner), 403)
    assert problem["required_permission"] == "tasks:admin"


def test_tasks_list_of_others_for_an_admin(several: None, alice: Caller, bob: Caller, ada: Caller) -> None:
    assert titles(ada) == set()
    assert titles(ada, owner="any") == {"a1", "a2", "a3", "b1", "b2"}
    assert titles(ada, owner=alice.id) == {"a1", "a2", "a3"}
    assert titles(ada, owner="any", assignee=alice.id) == {"a3", "b2"}
    assert titles(ada, owner="any", assignee="none") == {"a1", "b1"}
    assert titles(ada, owner="who") == set()


def test_tasks_list_by_status_and_priority(alice: Caller) -> None:
    for status in ("pending", "in-progress", "completed"):
        for priority in ("low", "urgent"):
            alice.make(title=f"{status} {priority}", status=status, priority=priority)
    assert titles(alice, status="completed") == {"completed low", "completed urgent"}
    assert titles(alice, status="pending,in-progress", priority="urgent") == {"pending urgent", "in-progress urgent"}
    assert len(titles(alice, priority="urgent,low")) == 6


def test_tasks_list_by_label_wants_all_of_them(alice: Caller) -> None:
    alice.make(title="ab", labels=["a", "b"])
    alice.make(title="b", labels=["b"])
    alice.make(title="odd", labels=["a,b", " b ", "%", '{"x"}'])
    assert titles(alice, label="b") == {"ab", "b"}
    assert titles(alice, label=["a", "b"]) == {"ab"}
    assert titles(alice, label=["a", "a"]) == {"ab"}
    assert [titles(alice, label=label) for label in ("a,b", " b ", "%", '{"x"}')] == [{"odd"}] * 4
    assert titles(alice, label="B") == set()


def test_tasks_list_after_includes_its_bound_and_before_does_not(alice: Caller) -> None:
    for at in ("10:00:00.000", "10:00:00.001", "11:00:00.000"):
        alice.make(title=at, due_at=f"2026-12-24T{at}Z")
    alice.make(title="never")
    day = "2026-12-24T"
    assert titles(alice, due_after=f"{day}10:00:00.001Z") == {"10:00:00.001", "11:00:00.000"}
    assert titles(alice, due_before=f"{day}10:00:00.001Z") == {"10:00:00.000"}
    assert titles(alice, due_after=f"{day}10:00:00Z", due_before=f"{day}11:00:00Z") == {"10:00:00.000", "10:00:00.001"}
    assert titles(alice, due_after=f"{day}12:00:00+02:00", due_before=f"{day}12:00:00.001+02:00") == {"10:00:00.000"}
    assert titles(alice, due_after=f"{day}10:00:00.000001Z") == {"10:00:00.001", "11:00:00.000"}


def test_tasks_list_windows_tile_at_every_millisecond(alice: Caller) -> None:
    task = alice.make()
    at = datetime.fromisoformat(task["created_at"])
    shown = [at + timedelta(milliseconds=n) for n in (-1, 0, 1)]
    after = [len(alice.pages(URL, created_after=bound.isoformat())) for bound in shown]
    before = [len(alice.pages(URL, created_before=bound.isoformat())) for bound in shown]
    updated = [len(alice.pages(URL, updated_after=bound.isoformat())) for bound in shown]
    assert (after, before, updated) == ([1, 1, 0], [0, 0, 1], [1, 1, 0])


def test_tasks_list_by_updated_after(alice: Caller) -> None:
    old, new = alice.make(title="old"), alice.make(title="new")
    Task.objects.filter(id=old["id"]).update(updated_at=datetime(2026, 1, 1, tzinfo=UTC))
    assert titles(alice, updated_after=new["updated_at"]) == {"new"}


def test_tasks_list_by_text(alice: Caller) -> None:
    alice.make(title="Buy red paint", description="for the garden fence")
    alice.make(title="Paint the fence")
    alice.make(title="Call 100% of the o'neils", description="\\ ? * : & | ! ( ) <-> '")
    assert titles(alice, q="paint fence") == {"Buy red paint", "Paint the fence"}
    assert titles(alice, q='"red paint"') == {"Buy red paint"}
    assert titles(alice, q="paint -garden") == {"Paint the fence"}
    assert titles(alice, q="GARDEN or o'neils") == {"Buy red paint", "Call 100% of the o'neils"}
    assert titles(alice, q="100%") == {"Call 100% of the o'neils"}
    assert titles(alice, q="pain") == set()


@pytest.mark.parametrize("words", ["'", '"', "%", "\\", "&|!", ":*", "a & b", "%s", "a" * 200, "-", "a\u2028b", "NULL"])
def test_tasks_list_takes_any_text_to_search_for(alice: Caller, words: str) -> None:
    assert alice.get(URL, q=words).status_code == 200


def test_tasks_list_by_all_filters_together(alice: Caller, bob: Caller) -> None:
    match = {
        "title": "Paint the fence", "labels": ["home", "x"], "status": "in-progress", "priority": "high",
        "due_at": "2026-12-24T10:00:00Z", "assignee": bob.id,
    }  # fmt: skip
    alice.make(**match)
    others: dict[str, Any] = {"title": "other", "labels": [], "status": "pending", "priority": "low", "due_at": None}
    for name, value in others.items():
        alice.make(**{**match, name: value})
    found = alice.pages(
        URL,
        q="fence", label=["home", "x"], status="in-progress,completed", priority="high", assignee=bob.id, owner="me",
        due_after="2026-12-24T10:00:00Z", due_before="2026-12-25T00:00:00Z", created_after="2026-01-01T00:00:00Z",
        created_before="2100-01-01T00:00:00Z", updated_after="2026-01-01T00:00:00Z", sort="due_at", page_size=1,
    )  # fmt: skip
    assert [row["title"] for row in found] == ["Paint the fence"]


BAD = [
    ("status", ["", ",", "pending,", "Pending", "done", "pending,pending", "pending completed", "%70ending"]),
    ("priority", ["", "urgent,", "URGENT", "1"]),
    ("label", ["", "x" * 51]),
    ("assignee", ["", "x" * 256]),
    ("owner", ["", "x" * 256]),
    *(
        (name, ["", "now", "2026-01-01", "2026-01-01T00:00:00", "0001-01-01T00:00:00+01:00", "1767225600"])
        for name in ("due_before", "due_after", "created_before", "created_after", "updated_after")
    ),
    ("created_after", ["1969-12-31T23:59:59Z"]),
    ("created_before", ["9999-12-31T23:59:59.9999Z"]),
    ("due_before", ["9999-12-31T23:59:59.9999999Z"]),
    ("q", ["", " ", "x" * 201]),
    (
        "sort",
        ["", "title", "-title", "created_at,due_at", "updated_at", "-deleted_at", "id", "due_at; DROP TABLE task"],
    ),
    ("fields", ["", "id,", "id,id", "owner__email", "ID", "*"]),
    ("page_size", ["", "0", "101", "-1", "ten", "1.0"]),
    ("cursor", ["", "x", "AAAA", "x" * 5000]),
    ("owner__email__startswith", ["a"]),
    ("_connector", ["OR"]),
    ("Status", ["pending"]),
    ("offset", ["10"]),
    ("", ["x"]),
]


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD for value in values])
def test_tasks_list_refuses_a_bad_parameter_and_names_it(ada: Caller, alice: Caller, name: str, value: str) -> None:
    for caller in (ada, alice):
        assert refused_parameter(caller.get(URL, **{name: value})) == name


@pytest.mark.parametrize("name", ["status", "q", "sort", "page_size", "cursor", "owner", "fields", "due_after"])
def test_tasks_list_refuses_a_repeated_parameter(alice: Caller, name: str) -> None:
    assert refused_parameter(alice.get(URL, **{name: ["a", "a"]})) == name


@pytest.mark.parametrize("query", ["q=%00", "label=a%00b", "q=%FF", "label=%ED%A0%80", "status=%C0%80"])
def test_tasks_list_refuses_what_is_no_text(alice: Caller, query: str) -> None:
    assert_problem(alice.get(f"{URL}?{query}"), 400)


def test_tasks_list_refuses_a_thousand_parameters(alice: Caller) -> None:
    assert_problem(alice.get(URL + "?" + "&".join(f"label={n}" for n in range(1500))), 400)


def test_tasks_list_gives_only_the_fields_that_are_asked_for(alice: Caller) -> None:
    task = alice.make(labels=["a"], due_at="2026-12-24T10:00:00Z")
    (row,) = alice.get(URL, fields="title,id,due_at").json()["results"]
    assert row == {name: task[name] for name in ("id", "title", "due_at")}
    (row,) = alice.get(URL, fields=",".join(FIELDS)).json()["results"]
    assert row == task
    for name in FIELDS:
        assert alice.get(URL, fields=name).json()["results"] == [{name: task[name]}]


def test_tasks_list_is_one_query_at_every_size(alice: Caller, django_assert_num_queries: Any, settings: Any) -> None:
    settings.CACHE_TTL = 0.0  # what is written here past the services is not told to the cache
    alice.make()
    for size in (1, 60):
        now = datetime.now(UTC)
        rows = [
            Task(id=ids.uuid7(), title=f"{n}", owner_id=alice.id, created_at=now, updated_at=now) for n in range(size)
        ]
        Task.objects.bulk_create(rows)
        with django_assert_num_queries(1):
            assert len(alice.get(URL, page_size=50).json()["results"]) == min(50, size + 1)


def test_tasks_list_head_and_options(alice: Caller) -> None:
    alice.make()
    got, head, options = alice.get(URL), alice.call("HEAD", URL), alice.call("OPTIONS", URL)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Length"] == got.headers["Content-Length"]
    assert (options.status_code, options.content) == (204, b"")
    assert set(options.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS", "POST"}
