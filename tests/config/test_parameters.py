"""Query parameters: whatever is unknown, repeated or malformed is refused and named."""

from datetime import UTC, datetime
from urllib.parse import quote

import pytest
from django.http import QueryDict
from hypothesis import given
from hypothesis import strategies as st

from config.api import parameters
from config.api.problems import Problem

TIMES = {
    "2026-01-31T12:00:00Z": datetime(2026, 1, 31, 12, tzinfo=UTC),
    "2026-01-31t12:00:00z": datetime(2026, 1, 31, 12, tzinfo=UTC),
    "2026-01-31T12:00:00.5Z": datetime(2026, 1, 31, 12, 0, 0, 500_000, tzinfo=UTC),
    "2026-01-31T12:00:00.123456789Z": datetime(2026, 1, 31, 12, 0, 0, 123_456, tzinfo=UTC),
    "2026-01-31T12:00:00+02:00": datetime(2026, 1, 31, 10, tzinfo=UTC),
    "2026-01-31T00:30:00-23:59": datetime(2026, 2, 1, 0, 29, tzinfo=UTC),
    "2024-02-29T00:00:00-00:00": datetime(2024, 2, 29, tzinfo=UTC),
    "0001-01-01T00:00:00Z": datetime(1, 1, 1, tzinfo=UTC),
}
NO_TIMES = [
    "",
    "now",
    "2026-01-31",
    "2026-01-31T12:00:00",
    "2026-01-31 12:00:00Z",
    "2026-01-31T12:00Z",
    "2026-01-31T12Z",
    "2026-01-31T12:00:00+0200",
    "2026-01-31T12:00:00+02",
    "2026-01-31T12:00:00+02:00:30",
    "2026-01-31T12:00:00,5Z",
    "2026-01-31T12:00:00.Z",
    "2026-W05-6T12:00:00Z",
    "20260131T120000Z",
    "2026-13-01T00:00:00Z",
    "2026-02-30T00:00:00Z",
    "2026-01-31T24:00:00Z",
    "2026-01-31T12:00:61Z",
    "0000-01-01T00:00:00Z",
    "0001-01-01T00:00:00+01:00",
    "9999-12-31T23:59:59-01:00",
    "2026-01-31T12:00:00Z\n",
    "\u0662\u0660\u0662\u0666-01-31T12:00:00Z",
    "+2026-01-31T12:00:00Z",
]


@pytest.mark.parametrize("raw", TIMES)
def test_a_time_of_rfc_3339_is_read_in_utc(raw: str) -> None:
    at = parameters.time(raw)
    assert (at, at.tzinfo) == (TIMES[raw], UTC)


@pytest.mark.parametrize("raw", NO_TIMES)
def test_what_is_no_time_of_rfc_3339_is_a_value_error(raw: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        parameters.time(raw)


@given(st.text())
def test_any_text_is_a_time_or_a_value_error(raw: str) -> None:
    try:
        at = parameters.time(raw)
    except ValueError:
        return
    assert at.tzinfo is UTC


def refused(query: str, known: set[str], repeatable: set[str] = frozenset()) -> tuple[str, str]:  # type: ignore[assignment]
    with pytest.raises(Problem) as problem:
        parameters.check_names(QueryDict(query), known, repeatable)
    assert problem.value.status_code == 400
    (error,) = problem.value.errors
    return error["parameter"], error["code"]


def test_an_unknown_or_repeated_parameter_is_named() -> None:
    assert refused("q=a&owner__email=x", {"q"}) == ("owner__email", "unknown")
    assert refused("q=a&q=a", {"q"}) == ("q", "repeated")
    assert refused("q=a&Q=a", {"q"}) == ("Q", "unknown")


def test_a_repeatable_parameter_may_be_repeated() -> None:
    parameters.check_names(QueryDict("label=a&label=b"), {"label"}, {"label"})
    assert refused("label=a&label=b", {"label"}) == ("label", "repeated")


def test_a_nul_is_refused_and_a_line_feed_is_not() -> None:
    assert refused("q=a%00b", {"q"}) == ("q", "invalid")
    parameters.check_names(QueryDict("q=a%0Ab%7F%E2%80%A8"), {"q"})


@pytest.mark.parametrize("query", ["q=%FF", "q=%ED%A0%80", "%C0%80=a", "q=\xff"])
def test_a_query_that_is_not_utf_8_is_refused(query: str) -> None:
    with pytest.raises(Problem, match="UTF-8") as problem:
        parameters.check_encoding(query)
    assert problem.value.status_code == 400


@given(st.text(st.characters(codec="utf-8")))
def test_every_text_can_be_asked_for(text: str) -> None:
    parameters.check_encoding(f"q={quote(text)}")
    assert QueryDict(f"q={quote(text)}")["q"] == text


@pytest.mark.parametrize("raw", ["", ",", "a,", ",a", "a,,b", "a,c", "A", " a", "a,b,a"])
def test_a_comma_list_with_an_empty_unknown_or_repeated_item_is_refused(raw: str) -> None:
    query = QueryDict(mutable=True)
    query["status"] = raw
    with pytest.raises(Problem) as problem:
        parameters.choices(query, "status", ["a", "b"])
    assert problem.value.errors[0]["parameter"] == "status"


def test_a_comma_list_keeps_its_order() -> None:
    assert parameters.choices(QueryDict("status=b,a"), "status", ["a", "b"]) == ["b", "a"]
    assert parameters.choices(QueryDict(""), "status", ["a"]) is None


@pytest.mark.parametrize("raw", ["x", "0192F0C1-D2E3-7B5A-8000-000000000000", "0192f0c1d2e37b5a8000000000000000"])
def test_an_identifier_has_one_spelling(raw: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        parameters.identifier(raw)
    spelled = "0192f0c1-d2e3-7b5a-8000-000000000000"
    assert str(parameters.identifier(spelled)) == spelled
