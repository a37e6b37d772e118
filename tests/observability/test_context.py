"""Request ids and traces: a good one is continued, a bad one is replaced."""

import re

import pytest

from config.observability import context


@pytest.mark.parametrize("raw", ["a", "A-b_c.9", "x" * 64])
def test_a_well_formed_request_id_is_kept(raw: str) -> None:
    assert context.accept_request_id(raw) == raw


@pytest.mark.parametrize("raw", [None, "", "a b", "x" * 65, "a\nb", "é", '"', "a;b"])
def test_any_other_is_replaced(raw: str | None) -> None:
    made = context.accept_request_id(raw)
    assert made != raw
    assert re.fullmatch(r"[0-9a-f]{32}", made)


VALID = f"00-{'4bf92f3577b34da6a3ce929d0e0e4736'}-{'00f067aa0ba902b7'}-01"


def test_a_valid_trace_is_continued() -> None:
    assert context.accept_traceparent(VALID) == VALID


def test_a_later_version_is_read_as_far_as_it_is_known() -> None:
    assert context.accept_traceparent(f"cc{VALID[2:]}-what-ever") == VALID


@pytest.mark.parametrize(
    "raw",
    [
        None,
        "",
        VALID.upper(),
        f"ff{VALID[2:]}",
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-4bf92f3577b34da6a3ce929d0e0e4736-{'0' * 16}-01",
        f"{VALID}-more",
        VALID[:-1],
    ],
)
def test_an_invalid_trace_is_ignored_and_a_new_one_begun(raw: str | None) -> None:
    made = context.accept_traceparent(raw)
    assert made != raw
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-00", made)
