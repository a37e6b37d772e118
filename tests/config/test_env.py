"""Each wrong value of a variable stops the start with one line that names the variable."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from config import env

NAME = "TEST_VARIABLE"
Read = Callable[[str], Any]


def read_boolean(name: str) -> bool:
    return env.boolean(name, default=False)


def read_rate(name: str) -> env.Rate:
    return env.rate(name, "600/m")


WRONG: list[tuple[Read, str]] = [
    *((read_boolean, raw) for raw in ("2", "maybe", "tru e", "\u0661")),
    *((env.integer, raw) for raw in ("x", "1.5", "-1", "1e3", str(2**31 + 1))),
    *((env.duration, raw) for raw in ("x", "5 m", "-5s", "5w", "5s\n", "1.s", "\u0665s")),
    *((read_rate, raw) for raw in ("600", "0/m", "600/", "m/600", "600/0s", "600/00s", "600/m\n", "-1/m", "6.5/m")),
    *((env.url, raw) for raw in ("example.org", "ftp://example.org", "http://", "http://[::1", "http://a:70000")),
    *((env.cidrs, raw) for raw in ("10.0.0.1/8", "10.0.0.0/33", "::1/129", "localhost", "10.0.0.0/8 ::1")),
    *((env.origins, raw) for raw in ("*", "https://a/", "https://a/x", "a.example", "https://A.example", "null")),
    *((env.address, raw) for raw in ("8000", ":8000", "host:", "host:x", "host:0", "host:65536")),
    *((env.secret, raw) for raw in ("short", "x" * 15, "django-insecure-0123456789abcdef", "${SECRET_KEY_OF_MINE}")),
]


@pytest.mark.parametrize(("read", "raw"), WRONG)
def test_a_wrong_value_is_one_line_that_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, read: Read, raw: str
) -> None:
    monkeypatch.setenv(NAME, raw)
    with pytest.raises(ImproperlyConfigured) as refused:
        read(NAME)
    message = str(refused.value)
    assert message.startswith(NAME)
    assert "\n" not in message


@pytest.mark.parametrize("read", [env.text, env.secret, env.integer, env.duration, env.url, env.words])
@pytest.mark.parametrize("raw", [None, ""])
def test_a_missing_value_without_a_default_is_one_line(
    monkeypatch: pytest.MonkeyPatch, read: Read, raw: str | None
) -> None:
    monkeypatch.delenv(NAME, raising=False)
    if raw is not None:
        monkeypatch.setenv(NAME, raw)
    with pytest.raises(ImproperlyConfigured, match=f"^{NAME} is not set"):
        read(NAME)


RIGHT: list[tuple[Read, str, Any]] = [
    *((read_boolean, raw, True) for raw in ("1", "true", "YES", "On")),
    *((read_boolean, raw, False) for raw in ("0", "False", "no", "off")),
    (env.integer, "42", 42),
    (env.duration, "250ms", 0.25),
    (env.duration, "30", 30.0),
    (env.duration, "1.5m", 90.0),
    (env.duration, "30d", 30 * 86400.0),
    (read_rate, "600/m", env.Rate(600, 60)),
    (read_rate, "100/10s", env.Rate(100, 10)),
    (read_rate, "5/2h", env.Rate(5, 7200)),
    (env.url, "https://example.org/", "https://example.org"),
    (env.words, " a, b,,c ", ["a", "b", "c"]),
    (env.address, "127.0.0.1:8000", "127.0.0.1:8000"),
    (env.address, "[::1]:8000", "[::1]:8000"),
    (env.secret, "Zq3-" * 8, "Zq3-" * 8),
]


@pytest.mark.parametrize(("read", "raw", "value"), RIGHT)
def test_a_right_value_is_read(monkeypatch: pytest.MonkeyPatch, read: Read, raw: str, value: Any) -> None:
    monkeypatch.setenv(NAME, raw)
    assert read(NAME) == value


def test_origins_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, "https://app.example.org, http://127.0.0.1:3000,http://[::1]:3000")
    assert env.origins(NAME) == {"https://app.example.org", "http://127.0.0.1:3000", "http://[::1]:3000"}
    monkeypatch.setenv(NAME, "")
    assert env.origins(NAME) == frozenset()


def test_networks_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, "10.0.0.0/8, ::1/128")
    assert [str(network) for network in env.cidrs(NAME)] == ["10.0.0.0/8", "::1/128"]


def test_a_secret_may_stand_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("Zq3-Zq3-Zq3-Zq3-\n")
    monkeypatch.setenv(f"{NAME}_FILE", str(tmp_path / "secret"))
    assert env.secret(NAME) == "Zq3-Zq3-Zq3-Zq3-"


def test_a_value_and_a_file_at_once_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(NAME, "a")
    monkeypatch.setenv(f"{NAME}_FILE", str(tmp_path))
    with pytest.raises(ImproperlyConfigured, match="both set"):
        env.text(NAME)


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00", b"\n"])
def test_an_unreadable_or_empty_file_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "file").write_bytes(content)
    monkeypatch.setenv(f"{NAME}_FILE", str(tmp_path / "file"))
    with pytest.raises(ImproperlyConfigured, match=NAME) as refused:
        env.text(NAME)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "raw", ["redis://:hunter2@host:99999/0", "gopher://me:hunter2@host/", "redis://a:hunter2/@h:x"]
)
def test_a_message_does_not_repeat_a_password(monkeypatch: pytest.MonkeyPatch, raw: str) -> None:
    monkeypatch.setenv(NAME, raw)
    with pytest.raises(ImproperlyConfigured) as refused:
        env.url(NAME, schemes=("redis",))
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("raw", ["mysql://h/db", "postgresql://h:5432", "postgresql://h:5432/", "postgresql://h:x/db"])
def test_a_database_url_must_name_a_database(raw: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=f"^{NAME}="):
        env.database_url(NAME, raw)
