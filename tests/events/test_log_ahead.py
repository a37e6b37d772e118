"""After a dump was restored into a new cluster, whose transaction ids are behind those of the log."""

from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from config.events import ahead
from config.events.outbox import RELAY
from config.observability import checks
from tests.events.broker import eventually
from tests.events.conftest import Processes

# The highest id that a server may give out: no test makes so many transactions.
FAR = 2**63


def _cursor_at(xid: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO events_cursor (name, xid, id) VALUES (%s, %s, %s)"
            " ON CONFLICT (name) DO UPDATE SET xid = EXCLUDED.xid",
            [RELAY, str(xid), UUID(int=0)],
        )


def test_migrate_refuses(db: None) -> None:
    _cursor_at(FAR)
    with pytest.raises(CommandError, match=r"events\.E001"):
        call_command("check", databases=["default"])
    assert checks.relay().status == "failed"


def test_a_cursor_of_this_server_is_right(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_snapshot_xmin(pg_current_snapshot())::text")
        now = int(cursor.fetchone()[0])
    _cursor_at(now - 1)
    assert not ahead.is_ahead("default")
    call_command("check", databases=["default"])


def test_the_relay_does_not_lead(processes: Processes) -> None:
    _cursor_at(FAR)
    relay = processes.relay()
    eventually(lambda: processes.said(relay, ahead.PROBLEM), within=60, what="the relay says why")
    assert not processes.said(relay, "relay leads")
