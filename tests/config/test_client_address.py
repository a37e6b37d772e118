"""Whose calls are counted together: only what a trusted proxy has written is believed."""

from typing import Any

import pytest
from django.test import RequestFactory

from config import env
from config.api import client

OTHERS = {"forwarded": "for=1.2.3.4", "x-real-ip": "1.2.3.4", "x-client-ip": "1.2.3.4", "true-client-ip": "1.2.3.4"}


def address(remote: str, forwarded: str | None = None) -> str:
    headers = OTHERS if forwarded is None else {**OTHERS, "x-forwarded-for": forwarded}
    return client.address(RequestFactory().get("/", REMOTE_ADDR=remote, headers=headers))


@pytest.fixture
def proxies(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROXIES", "10.0.0.0/8,::1/128,2001:db8::/32")
    settings.TRUSTED_PROXIES = env.cidrs("PROXIES")


def test_without_trusted_proxies_no_header_counts(settings: Any) -> None:
    settings.TRUSTED_PROXIES = []
    seen = {address("10.0.0.1", f"1.2.3.{n}") for n in range(9)}
    assert seen == {"10.0.0.1"}


def test_a_stranger_cannot_name_himself(proxies: None) -> None:
    assert {address("198.51.100.7", f"1.2.3.{n}") for n in range(9)} == {"198.51.100.7"}


CASES = [
    ("10.0.0.1", None, "10.0.0.1"),
    ("10.0.0.1", "", "10.0.0.1"),
    ("10.0.0.1", "198.51.100.7", "198.51.100.7"),
    ("10.0.0.1", "1.2.3.4, 198.51.100.7", "198.51.100.7"),
    ("10.0.0.1", "1.2.3.4, 198.51.100.7, 10.0.0.2", "198.51.100.7"),
    ("10.0.0.1", "1.2.3.4,junk", "junk"),
    ("10.0.0.1", "1.2.3.4, ,10.0.0.2", "10.0.0.2"),
    ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
    ("::1", "198.51.100.7", "198.51.100.7"),
    ("::ffff:10.0.0.1", "198.51.100.7", "198.51.100.7"),
    ("10.0.0.1", "::ffff:198.51.100.7", "198.51.100.7"),
    ("10.0.0.1", "2001:DB8:0::5", "2001:db8::5"),
    ("10.0.0.1", "2a00:0:0::5", "2a00::5"),
    ("", None, "unknown"),
]


@pytest.mark.parametrize(("remote", "forwarded", "expected"), CASES)
def test_the_last_entry_that_no_trusted_proxy_wrote_counts(
    proxies: None, remote: str, forwarded: str | None, expected: str
) -> None:
    assert address(remote, forwarded) == expected
