"""Several relays and several beats: one leads, and another takes over when it dies."""

import pytest

from tests.events.broker import eventually
from tests.events.conftest import Append, Processes
from tests.events.effects import await_effects, query

pytestmark = pytest.mark.stack


def test_relay_lead_is_taken_over(processes: Processes, append: Append) -> None:
    first = processes.relay()
    eventually(lambda: processes.said(first, "relay leads"), within=60, what="the first one's lead")
    second = processes.relay()
    eventually(lambda: processes.said(second, "relay stands by"), within=60, what="the second one's standby")
    processes.worker()
    before = append()
    await_effects(1)
    assert not processes.said(second, "event published")
    first.kill()
    eventually(lambda: processes.said(second, "relay leads"), within=30, what="the takeover")
    after = append()
    assert await_effects(2) == [before, after]


def test_beat_lead_is_taken_over(processes: Processes) -> None:
    """One sends what is due; the other sends nothing, until the first one is gone."""
    first = processes.beat()
    eventually(lambda: processes.said(first, "Sending due task events.forget"), within=60, what="the first job")
    second = processes.beat()
    eventually(lambda: processes.said(second, "beat stands by"), within=60, what="the second one's standby")
    assert not processes.said(second, "Sending due task")
    first.kill()
    eventually(lambda: processes.said(second, "Sending due task events.forget"), within=30, what="the takeover")


def test_relay_lead_is_lost_with_its_connection(processes: Processes, append: Append) -> None:
    """PostgreSQL restarts, or ends the session: the relay asks for the lead again, and goes on."""
    relay = processes.relay()
    processes.worker()
    before = append()
    await_effects(1)
    ended = query(
        "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_stat_activity USING (pid)"
        " WHERE locktype = 'advisory' AND datname = current_database()"
    )
    assert ended == [(True,)]
    eventually(lambda: processes.output(relay).count("relay leads") == 2, within=30, what="the second lead")
    after = append()
    assert await_effects(2) == [before, after]
