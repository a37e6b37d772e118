"""Strict fields: a value of another JSON type is refused and never converted, text is kept byte for byte."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.serializers import CharField, ValidationError

from config.api import fields

DEEP: Any = []
for _ in range(250):
    DEEP = [DEEP]
MAPPING = {str(number): number for number in range(30)}
OTHER_TYPES = [5, 1.5, True, None, [], ["a"], {}, MAPPING, DEEP, ["x"] * 10 + ["T"] * 20]
TITLE = fields.Text(min_length=1, max_length=200, blank=False)
LABEL = fields.Text(min_length=1, max_length=3)
CHOICE = fields.Choice(choices=[("low", "Low"), ("high", "High")])
TIME = fields.Time()
LABELS = fields.Texts(child=LABEL, max_length=2)


def code(field: Any, value: Any) -> Any:
    with pytest.raises(ValidationError) as refused:
        field.run_validation(value)
    return refused.value.get_codes()


@pytest.mark.parametrize("field", [TITLE, CHOICE, TIME], ids=lambda field: type(field).__name__)
@pytest.mark.parametrize("value", OTHER_TYPES, ids=lambda value: type(value).__name__)
def test_another_json_type_is_refused(field: Any, value: Any) -> None:
    assert code(field, value) in (["invalid"], ["invalid_choice"], ["null"])


@given(st.text(min_size=1, max_size=200).filter(lambda text: text.strip() and "\0" not in text))
def test_a_text_is_kept_byte_for_byte(text: str) -> None:
    if not any("\ud800" <= character <= "\udfff" for character in text):
        assert TITLE.run_validation(text) == text


# Lists, because `st.text` draws no surrogates, whatever its alphabet.
ODD_TEXTS = st.lists(st.sampled_from("a\0\ud800\udfff \u2003\N{GRINNING FACE}"), max_size=6).map("".join)
ALL_TEXTS = [
    fields.Text(),
    fields.Text(max_length=3),
    fields.Text(min_length=2),
    fields.Text(blank=False, max_length=4),
]


@given(ODD_TEXTS, st.sampled_from(ALL_TEXTS))
def test_a_text_is_taken_if_drfs_validators_find_nothing(text: str, field: fields.Text) -> None:
    """They are not asked about a text that is right."""
    try:
        expected = CharField.run_validation(field, text) if field.blank or text.strip() else None
    except ValidationError:
        expected = None
    try:
        assert field.run_validation(text) == expected
    except ValidationError:
        assert expected is None


def test_a_text_knows_no_validators_but_its_own() -> None:
    with pytest.raises(TypeError):
        fields.Text(validators=[print])


@pytest.mark.parametrize("text", ["", " ", "\t\n", "\u00a0\u2003\u3000", "\x1c\x1f", "\u2028"])
def test_white_space_alone_is_no_title(text: str) -> None:
    assert code(TITLE, text) == ["blank"]


def test_lengths_count_characters() -> None:
    smile = "\N{GRINNING FACE}"
    assert TITLE.run_validation(smile * 200) == smile * 200
    assert code(TITLE, smile * 201) == ["max_length"]
    assert fields.Text(max_length=3).run_validation("") == ""


def test_an_empty_text_is_no_label() -> None:
    assert code(LABEL, "") == ["blank"]
    assert LABEL.run_validation(" ") == " "


@pytest.mark.parametrize("value", ["Low", "LOW", "", "low ", "medium", "x" * 500_000])
def test_an_unknown_word_is_refused_and_the_known_ones_are_told(value: str) -> None:
    with pytest.raises(ValidationError, match="Expected one of low, high") as refused:
        CHOICE.run_validation(value)
    assert len(str(refused.value)) < 200


def test_a_time_is_kept_in_utc_with_whole_milliseconds() -> None:
    at = TIME.run_validation("2026-01-31T12:00:00.123999+02:00")
    assert at == datetime(2026, 1, 31, 10, 0, 0, 123_000, tzinfo=UTC)
    assert TIME.to_representation(at) == "2026-01-31T10:00:00.123Z"


@pytest.mark.parametrize("value", ["2026-01-31", "0001-01-01T00:00:00+01:00", "2026-W05-6T12:00:00Z", "1769860800"])
def test_what_is_no_time_is_refused(value: str) -> None:
    assert code(TIME, value) == ["invalid"]


def test_labels_are_few_short_and_unique() -> None:
    assert LABELS.run_validation(["a", "A"]) == ["a", "A"]
    assert LABELS.run_validation([]) == []
    assert code(LABELS, ["a", "a"]) == ["twice"]
    assert code(LABELS, "ab") == ["not_a_list"]
    assert code(LABELS, {"0": "a"}) == ["not_a_list"]
    assert code(LABELS, [1, "long"]) == {0: ["invalid"], 1: ["max_length"]}


def test_too_many_items_are_one_error_and_not_a_million() -> None:
    assert code(LABELS, [""] * 1_000_000) == ["max_length"]
