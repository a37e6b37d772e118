"""One valid JSON object a line, whatever is logged, and no secret in it."""

import json
import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.observability import context
from config.observability.logs import JSONFormatter

FORMATTER = JSONFormatter("api-1")
TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"


def line_of(message: str, *arguments: object, **extra: Any) -> str:
    record = logging.makeLogRecord({"msg": message, "args": arguments, "levelno": 20, "levelname": "INFO", **extra})
    return FORMATTER.format(record)


def test_a_line_has_the_fields_that_operators_search_by() -> None:
    with context.bind(request_id="r-1", traceparent=f"00-{'a' * 32}-{'b' * 16}-01", user_id="alice"):
        line = json.loads(line_of("request", status=200))
    assert line["request_id"] == "r-1"
    assert line["trace_id"] == "a" * 32
    assert (line["user_id"], line["part"], line["level"], line["status"]) == ("alice", "api-1", "info", 200)
    assert line["timestamp"].endswith("Z")


@given(st.text())
def test_no_text_breaks_the_line(text: str) -> None:
    line = line_of("%s", text, value=text)
    assert len(line.splitlines()) == 1
    assert json.loads(line)["value"] == text.encode("utf-8", "backslashreplace").decode()


@pytest.mark.parametrize("text", ["a\nb", "a\r\nb", "\x1b[31mred", "a\u2028b", "a\u2029b", "a\x85b", "\ud800", "\0"])
def test_the_known_breakers_are_told_apart(text: str) -> None:
    line = line_of("%s", text)
    assert len(line.splitlines()) == 1
    assert json.loads(line)["event"] == text.encode("utf-8", "backslashreplace").decode()


def test_values_of_any_kind_are_told() -> None:
    line = json.loads(line_of("x", thing=object, number=1.5, nested={"a": {1, 2}}, bytes=b"\xff"))
    assert line["number"] == 1.5
    assert "object" in line["thing"]


def test_secrets_are_taken_out_wherever_they_stand() -> None:
    text = line_of(
        "call with %s to %s",
        f"Bearer {TOKEN}",
        "postgresql://taskmill:hunter2@db:5432/x",
        Authorization=TOKEN,
        password="p",
    )
    assert "hunter2" not in text
    assert "eyJ" not in text
    line = json.loads(text)
    assert (line["Authorization"], line["password"]) == ("[secret]", "[secret]")


def test_a_traceback_is_one_line() -> None:
    error = ValueError("first\nsecond")
    line = line_of("failed", exc_info=(type(error), error, None))
    assert len(line.splitlines()) == 1
    assert "ValueError: first\nsecond" in json.loads(line)["exception"]
