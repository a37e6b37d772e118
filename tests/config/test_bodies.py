"""Bodies: what is ambiguous, cannot be stored or cannot be written again is refused with the reason."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.api import bodies
from config.api.problems import Problem

text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
values = st.recursive(
    st.none() | st.booleans() | text | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(text, inner),
)

REFUSED = {
    "no body": (b"", "empty"),
    "broken": (b'{"a": 1', "not valid JSON"),
    "two values": (b"{} {}", "not valid JSON"),
    "comment": (b"{} // x", "not valid JSON"),
    "single quotes": (b"{'a': 1}", "not valid JSON"),
    "duplicate member": (b'{"a": 1, "a": 1}', "'a' stands twice"),
    "duplicate text": (b'{"a": "b", "a": "b"}', "'a' stands twice"),
    "duplicate by escape": (b'{"a": 1, "\\u0061": 2}', "'a' stands twice"),
    "nested duplicate": (b'[{"x": {"b": 1, "b": 2}}]', "'b' stands twice"),
    "NaN": (b'{"a": NaN}', "NaN is not a JSON number"),
    "Infinity": (b'{"a": [-Infinity]}', "Infinity is not a JSON number"),
    "number beyond floats": (b'{"a": 1e999}', "larger than a number can be"),
    "number beyond 64 bits": (b'{"a": 18446744073709551616}', "64 bits"),
    "number of 100,000 digits": (b"9" * 100_000, "not valid JSON"),
    "NUL by escape": (b'{"a": "x\\u0000y"}', "NUL"),
    "NUL in a name": (b'{"a\\u0000": 1}', "NUL"),
    "NUL deep inside": (b'{"a": [[{"b": "\\u0000"}]]}', "NUL"),
    "NUL as it is": (b'{"a": "\0"}', "not valid JSON"),
    "control character as it is": (b'{"a": "\x1f"}', "not valid JSON"),
    "lone surrogate": (b'{"a": "\\ud800"}', "surrogate"),
    "surrogates in the wrong order": (b'{"a": "\\udc00\\ud800"}', "surrogate"),
    "lone surrogate in a name": (b'{"\\udfff": 1}', "surrogate"),
    "not UTF-8": (b'{"a": "\xff"}', "UTF-8"),
    "surrogate in UTF-8": (b'{"a": "\xed\xa0\x80"}', "UTF-8"),
    "overlong UTF-8": (b'{"a": "\xc0\x80"}', "UTF-8"),
    "UTF-16": ('{"a": "ä"}'.encode("utf-16"), "UTF-8"),
    "UTF-16 without a mark": ('{"a": "b"}'.encode("utf-16-le"), "not valid JSON"),
    "UTF-8 with a mark": ('{"a": 1}'.encode("utf-8-sig"), "not valid JSON"),
    "deep": (b"[" * 300 + b"]" * 300, "nested too deeply"),
    "deep objects": (b'{"a":' * 300 + b"1" + b"}" * 300, "nested too deeply"),
    "very deep": (b"[" * 100_000 + b"]" * 100_000, "nested too deeply"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_bad_body_is_refused_with_the_reason(name: str) -> None:
    raw, reason = REFUSED[name]
    with pytest.raises(Problem) as refused:
        bodies.loads(raw)
    assert (refused.value.status_code, refused.value.slug) == (400, "invalid-body")
    assert reason in str(refused.value.detail)


@given(values)
def test_every_json_value_is_read_as_it_was_written(value: Any) -> None:
    for escape in (True, False):
        assert bodies.loads(json.dumps(value, ensure_ascii=escape).encode()) == value


QUOTED = st.sampled_from(['"a"', '"b"', '""', '"\\u0061"', '"\\u0000"', '"\\ud800"', '"\\""', '"\x7f"', '"\0"', '"é"'])
OTHERS = st.sampled_from(
    ["1", "-0.0", "1e5", "9" * 20, "true", "null", "NaN", "[]", '["a"]', '{"a": "b", "a": ""}', "a"]
)
MEMBERS = st.tuples(st.just('"a"') | QUOTED, st.sampled_from([":", " :\n", ""]), st.just('"b"') | QUOTED | OTHERS).map(
    "".join
)
OBJECTS = st.tuples(
    st.lists(MEMBERS, max_size=4), st.sampled_from([",", ", ", "\ufeff,"]), st.sampled_from(["", " ", "{"])
)


@given(OBJECTS)
def test_texts_are_read_at_once_as_if_with_care(drawn: tuple[list[str], str, str]) -> None:
    members, comma, around = drawn
    raw = (around + "{" + comma.join(members) + "}" + around).encode()
    texts = bodies._texts(raw)
    if texts is not None:
        assert bodies._careful(raw) == texts


@pytest.mark.parametrize("raw", [b"{}", b'{"a": "b", "\xc3\xa9":"\x7f"}', b'\n{"a":"" }\t'])
def test_plain_texts_are_read_at_once(raw: bytes) -> None:
    assert bodies._texts(raw) == json.loads(raw)


@given(st.binary())
def test_any_bytes_are_a_value_or_a_400(raw: bytes) -> None:
    try:
        value = bodies.loads(raw)
    except Problem as problem:
        value = problem.slug
    assert orjson.dumps(value)  # whatever is let in can be written again


@pytest.mark.parametrize("raw", [b"3", b"3.0", b"3e0", b"30E-1", b"0.3e1"])
def test_a_whole_number_is_one_however_it_is_written(raw: bytes) -> None:
    """JSON has one type of numbers."""
    assert repr(bodies.loads(raw)) == "3"


@pytest.mark.parametrize("raw", [b"1.5", b"1e300", b"9007199254740993.0"])
def test_what_is_no_whole_number_or_not_for_sure_is_none(raw: bytes) -> None:
    assert isinstance(bodies.loads(raw), float)


def test_a_backslash_before_u0000_is_text_and_not_nul() -> None:
    assert bodies.loads(b'{"a": "C:\\\\u0000"}') == {"a": "C:\\u0000"}


def test_a_pair_of_surrogates_is_one_character() -> None:
    assert bodies.loads(b'{"a": "\\ud83d\\ude00"}') == {"a": "\N{GRINNING FACE}"}


def test_the_parsers_take_json_and_merge_patches_only() -> None:
    media_types = {parser.media_type for parser in (bodies.JSONParser, bodies.MergePatchParser)}
    assert media_types == {"application/json", "application/merge-patch+json"}
