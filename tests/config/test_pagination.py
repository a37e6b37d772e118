"""Cursors: opaque, signed, bound to the caller and to the list's filters and sort."""

import string

import pytest
from django.http import QueryDict
from django.test import RequestFactory
from hypothesis import given
from hypothesis import strategies as st

from config.api import pagination
from config.api.problems import Problem

CURSOR = pagination.encode("alice", "tasks", ["0192f0c1-d2e3-7b5a-8000-000000000000", None])
WHERE = st.integers(0, len(CURSOR) - 1)
ANYTHING = st.characters(codec="utf-8")


def assert_refused(principal: str, kind: str, cursor: str) -> None:
    with pytest.raises(Problem) as refused:
        pagination.decode(principal, kind, cursor)
    assert (refused.value.status_code, refused.value.slug) == (400, "invalid-cursor")
    assert refused.value.errors[0]["parameter"] == "cursor"


@given(st.lists(st.none() | st.text(ANYTHING) | st.integers(-(2**53), 2**53)), st.text(ANYTHING), st.text(ANYTHING))
def test_a_cursor_comes_back_as_the_position(position: list[object], principal: str, kind: str) -> None:
    cursor = pagination.encode(principal, kind, position)
    assert pagination.decode(principal, kind, cursor) == position
    assert set(cursor) <= set(string.ascii_letters + string.digits + "-_")


@given(WHERE, st.text(min_size=1, max_size=1))
def test_a_changed_character_is_refused(at: int, other: str) -> None:
    changed = CURSOR[:at] + other + CURSOR[at + 1 :]
    if changed != CURSOR:
        assert_refused("alice", "tasks", changed)


@given(WHERE)
def test_a_cut_or_doubled_cursor_is_refused(at: int) -> None:
    assert_refused("alice", "tasks", CURSOR[:at])
    assert_refused("alice", "tasks", CURSOR[at:] + CURSOR)


@given(st.text() | st.just(CURSOR + "=") | st.just(CURSOR + "A"))
def test_junk_is_refused(junk: str) -> None:
    assert_refused("alice", "tasks", junk)


def test_every_other_spelling_of_the_same_bytes_is_refused() -> None:
    # The last character of a base64 text may hold bits that belong to no byte.
    position = next(p for p in ("a", "ab", "abc") if len(pagination.encode("alice", "tasks", [p])) % 4)
    cursor = pagination.encode("alice", "tasks", [position])
    for last in string.ascii_letters + string.digits + "-_":
        if last != cursor[-1]:
            assert_refused("alice", "tasks", cursor[:-1] + last)


def test_anothers_cursor_and_another_lists_cursor_are_refused() -> None:
    assert_refused("bob", "tasks", CURSOR)
    assert_refused("alice", "trash", CURSOR)
    assert_refused("ali", "cetasks", CURSOR)


def kind(query: str) -> str:
    return pagination.kind("tasks", QueryDict(query))


def test_a_cursor_is_bound_to_every_filter_and_to_the_sort() -> None:
    queries = ["", "status=pending", "status=completed", "label=a", "label=b", "label=a&label=b", "sort=due_at", "q=a"]
    assert len({kind(query) for query in queries}) == len(queries)


def test_a_cursor_is_not_bound_to_what_does_not_change_the_rows() -> None:
    assert kind("status=pending&q=a&page_size=7&cursor=x&fields=id") == kind("q=a&status=pending")


@given(st.text(ANYTHING), st.text(ANYTHING), st.text(ANYTHING), st.text(ANYTHING))
def test_no_two_filters_have_one_name(a: str, b: str, c: str, d: str) -> None:
    one, other = QueryDict(mutable=True), QueryDict(mutable=True)
    one.update({a: b})
    other.update({c: d})
    names = pagination._UNBOUND
    if (a, b) != (c, d) and not {a, c} & names:
        assert pagination.kind("tasks", one) != pagination.kind("tasks", other)


@pytest.mark.parametrize("raw", ["0", "101", "-1", "1.0", "ten", "", "1e1", "\u0661\u0660", " 5", "+5", "9" * 5000])
def test_a_bad_page_size_is_refused(raw: str) -> None:
    query = QueryDict(mutable=True)
    query["page_size"] = raw
    with pytest.raises(Problem) as refused:
        pagination.page_size(query)
    assert refused.value.errors[0]["parameter"] == "page_size"


def test_the_page_size_is_1_to_100_and_50_by_default() -> None:
    assert [pagination.page_size(QueryDict(q)) for q in ("", "page_size=1", "page_size=100")] == [50, 1, 100]


def test_the_link_to_the_next_page_is_relative_and_keeps_the_query() -> None:
    request = RequestFactory().get("/v1/tasks", {"q": "a b&c", "cursor": "old", "label": ["x", "y"]})
    answer = pagination.respond(request, [b'{"a":1}', '{"a":"ä"}'], "new")
    assert answer.content.decode() == '{"results":[{"a":1},{"a":"ä"}],"next_cursor":"new"}'
    target = "/v1/tasks?q=a+b%26c&cursor=new&label=x&label=y"
    assert answer.headers["Link"] == f'<{target}>; rel="next"'


def test_the_last_page_has_no_link() -> None:
    answer = pagination.respond(RequestFactory().get("/v1/tasks"), [], None)
    assert answer.content == b'{"results":[],"next_cursor":null}'
    assert "Link" not in answer.headers
