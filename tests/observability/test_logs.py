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


CANARY = "canary-8f3a"
TOLD_WITH_SECRETS = [
    f"Authorization: Basic {CANARY}",
    f"authorization: bearer {CANARY}",
    f"Cookie: sessionid={CANARY}; csrftoken={CANARY}",
    f"Set-Cookie: a={CANARY}",
    f"host=db password={CANARY} user=x",
    f"POST /token?client_secret={CANARY}&refresh_token={CANARY}",
    f"amqp://taskmill:{CANARY}@mq//",
    f"redis://:{CANARY}@redis:6379/0",
    f"https://user:{CANARY}%40{CANARY}@host/path",
    f'{{"password": "{CANARY}", "a": 1}}',
    f'{{"access_token":"{CANARY}"}}',
    f"{{'client_secret': '{CANARY}'}}",
    f"SECRET_KEY={CANARY}",
]


@pytest.mark.parametrize("text", TOLD_WITH_SECRETS)
def test_no_canary_gets_through(text: str) -> None:
    """In the text, in a value, inside a value, and in an exception."""
    error = ValueError(text)
    line = line_of("%s", text, value=text, nested={"inner": [text]}, exc_info=(type(error), error, None))
    assert CANARY not in line
    json.loads(line)


def test_nested_secrets_are_known_by_their_names() -> None:
    line = line_of("x", body={"password": f'a "quoted" {CANARY}', "headers": {"Cookie": CANARY}, "kept": "kept"})
    assert CANARY not in line
    assert json.loads(line)["body"]["kept"] == "kept"


FRAGMENTS = st.sampled_from(
    ["password", "token", "Cookie: ", "=", ":", "://", "@", '"', "'", "\\", "\n", " ", "x", "eyJ"]
)


@given(st.lists(FRAGMENTS, max_size=30).map("".join))
def test_taking_secrets_out_leaves_valid_json(text: str) -> None:
    json.loads(line_of("%s", text, value=text, nested={"token": text, "inner": [text]}))


def test_ordinary_text_is_left_as_it_is() -> None:
    text = "event published at http://host:8080/path by ann@example.org: 3 tokens, password changed"
    assert json.loads(line_of("%s", text))["event"] == text


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("no text")


@pytest.mark.parametrize("value", [Unprintable(), 2**70, "\ud800", {"\ud800": 1}, {(1, 2): 3}, b"\xff", float("nan")])
def test_no_value_costs_the_line(value: object) -> None:
    line = json.loads(line_of("kept", value=value, status=200))
    assert (line["event"], line["status"]) == ("kept", 200)


def test_a_message_with_too_few_arguments_is_told() -> None:
    assert json.loads(line_of("%s and %s", "one"))["event"] == "%s and %s ('one',)"


def test_a_traceback_is_one_line() -> None:
    error = ValueError("first\nsecond")
    line = line_of("failed", exc_info=(type(error), error, None))
    assert len(line.splitlines()) == 1
    assert "ValueError: first\nsecond" in json.loads(line)["exception"]


def test_a_redis_that_does_not_answer_is_told_in_one_line() -> None:
    error = ConnectionError("Timeout reading from socket")
    line = json.loads(line_of("Exception ignored", name="django_redis.cache", exc_info=(type(error), error, None)))
    assert (line["error"], "exception" in line) == (repr(error), False)
