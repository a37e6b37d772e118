"""The clock that makes the ids, elsewhere in time."""

import time

import pytest

from config.data.partitions import Month


def move_on(monkeypatch: pytest.MonkeyPatch, month: Month) -> Month:
    """To the first days of a month, from where it goes on."""
    now = time.time_ns
    offset = int(month.start.timestamp() * 1e9) + 86_400 * 10**9 - now()
    monkeypatch.setattr("config.data.ids.time.time_ns", lambda: now() + offset)
    return month
