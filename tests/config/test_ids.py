"""UUIDv7 as RFC 9562 §5.7 lays it out, and the times that go in and come out."""

import time
from datetime import UTC, datetime, timedelta
from uuid import RFC_4122

from hypothesis import given
from hypothesis import strategies as st

from config.data import ids

# Whole milliseconds from 1970 to 2200: what floats and 48 bits hold exactly.
instants = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1)).map(  # noqa: DTZ001 - the zone follows
    lambda at: at.replace(microsecond=at.microsecond // 1000 * 1000, tzinfo=UTC)
)


def test_the_layout_is_that_of_rfc_9562() -> None:
    before = time.time_ns() // 1_000_000
    identifier = ids.uuid7()
    after = time.time_ns() // 1_000_000
    assert (identifier.version, identifier.variant) == (7, RFC_4122)
    assert before <= identifier.int >> 80 <= after


def test_the_random_bits_are_random() -> None:
    made = [ids.uuid7(datetime(2026, 1, 1, tzinfo=UTC)) for _ in range(1000)]
    assert len(set(made)) == 1000
    everywhere = 0
    for identifier in made:
        everywhere |= identifier.int ^ made[0].int
    assert everywhere.bit_count() == 74  # rand_a has 12 bits, rand_b 62: each of them differs somewhere


@given(instants)
def test_an_id_holds_its_instant(at: datetime) -> None:
    assert ids.instant(ids.uuid7(at)) == at
    assert ids.instant(ids.floor(at)) == at


@given(instants)
def test_floor_is_the_lowest_id_of_its_millisecond(at: datetime) -> None:
    millisecond = timedelta(milliseconds=1)
    assert ids.floor(at) <= ids.uuid7(at) < ids.floor(at + millisecond)
    assert ids.floor(at).int & (1 << 80) - 1 == 0


@given(instants, instants)
def test_ids_sort_by_their_instants(one: datetime, other: datetime) -> None:
    if one != other:
        assert (ids.uuid7(one) < ids.uuid7(other)) == (one < other)


def test_ids_in_a_row_ascend_from_millisecond_to_millisecond() -> None:
    made = []
    for _ in range(5):
        made.append(ids.uuid7())
        time.sleep(0.002)
    assert made == sorted(made)
