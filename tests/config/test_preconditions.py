"""If-Match and If-None-Match (RFC 9110 §13) on versions."""

import pytest
from django.http import HttpRequest
from django.test import RequestFactory

from config.api import preconditions
from config.api.preconditions import IfMatch
from config.api.problems import Problem


def request(**headers: str) -> HttpRequest:
    return RequestFactory().patch("/v1/tasks/x", headers={k.replace("_", "-"): v for k, v in headers.items()})


@pytest.mark.parametrize("raw", ['"3"', 'W/"3"', "*", '"1", "3"', '"1","2" ,W/"3"', '"a,b", "3"', ',"3",', ' "3" '])
def test_if_match_lets_the_version_through_that_it_names(raw: str) -> None:
    if_match = IfMatch.of(request(if_match=raw))
    assert if_match.given
    if_match.check(3)


@pytest.mark.parametrize("raw", ['"2"', '"03"', '""', '"1", "2"', '"a,3"', '"*"', 'W/"33"'])
def test_if_match_stops_every_other_version_and_names_the_current_one(raw: str) -> None:
    with pytest.raises(Problem) as refused:
        IfMatch.of(request(if_match=raw)).check(3)
    assert (refused.value.status_code, refused.value.members) == (412, {"version": 3})
    assert refused.value.headers["ETag"] == '"3"'


@pytest.mark.parametrize(
    "raw", ["3", "'3'", '"3', '3"', '"3" "4"', "**", '*, "3"', 'w/"3"', 'W/ "3"', '"a b"', "", ","]
)
@pytest.mark.parametrize("name", ["if_match", "if_none_match"])
def test_a_malformed_field_is_400(name: str, raw: str) -> None:
    with pytest.raises(Problem) as refused:
        IfMatch.of(request(**{name: raw}))
    assert refused.value.status_code == 400


def test_without_the_field_every_version_will_do() -> None:
    if_match = IfMatch.of(request())
    assert not if_match.given
    if_match.check(3)


@pytest.mark.parametrize("raw", ["*", '"3"', 'W/"3"'])
def test_a_write_with_if_none_match_on_the_current_version_is_412(raw: str) -> None:
    with pytest.raises(Problem) as refused:
        IfMatch.of(request(if_none_match=raw)).check(3)
    assert refused.value.status_code == 412


def test_a_write_with_if_none_match_on_another_version_goes_through() -> None:
    IfMatch.of(request(if_none_match='"2"')).check(3)
    assert IfMatch.none().given is False


@pytest.mark.parametrize(
    ("raw", "has"), [('"3"', True), ('W/"3"', True), ("*", True), ('"2", "3"', True), ('"2"', False), ('"33"', False)]
)
def test_if_none_match_tells_whether_the_client_has_this_version(raw: str, has: bool) -> None:
    assert preconditions.not_modified(request(if_none_match=raw), 3) is has


def test_the_tag_of_a_version_is_strong() -> None:
    assert preconditions.etag(3) == '"3"'
    assert preconditions.not_modified(request(), 3) is False
