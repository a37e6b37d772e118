"""manage.py migrate: past the pooler, and never in the way of who uses a table"""

from collections.abc import Iterator
from io import StringIO
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.db.migrations import Migration

from config.management.commands import migrate
from config.management.commands.migrate import Command

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "direct"])


@pytest.fixture
def held() -> "Iterator[psycopg.Connection[Any]]":
    """Somebody reads the daily numbers in a transaction that does not end."""
    other = psycopg.connect(**connections["default"].get_connection_params() | {"autocommit": False})
    other.execute("SELECT count(*) FROM daily_rollup")
    yield other
    other.close()
    call_command("migrate", stdout=StringIO())  # whatever the test has left


def back_and_forth() -> str:
    """Takes the daily numbers back, which drops their table, and makes them again."""
    out = StringIO()
    call_command("migrate", "analytics", "zero", stdout=out, verbosity=1)
    call_command("migrate", "analytics", stdout=out, verbosity=1)
    return out.getvalue()


def test_a_table_in_use_is_asked_for_again(held: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    waited = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 2:
            held.close()

    monkeypatch.setattr("config.management.commands.migrate.time.sleep", sleep)
    said = back_and_forth()
    assert waited == [0.5, 1.0]
    assert said.count("A table is in use (the oldest transaction: pid ") == 2
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('daily_rollup') IS NOT NULL")
        assert cursor.fetchone() == (True,)


def test_a_table_that_is_never_free_ends_it(held: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrate, "PAUSES", (0.01,))
    with pytest.raises(CommandError, match="run it again"):
        back_and_forth()


@pytest.mark.parametrize(("atomic", "timeout"), [(True, "300ms"), (False, "0")])
def test_only_what_runs_in_a_transaction_gives_up_on_locks(
    atomic: bool, timeout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An index that is built CONCURRENTLY waits for everybody and is waited for by nobody."""
    command, migration = Command(stdout=StringIO()), Migration("x", "config")
    monkeypatch.setattr(migration, "atomic", atomic)
    command.verbosity, command._connection = 0, connections["direct"]
    command.migration_progress_callback("apply_start", migration)
    with connections["direct"].cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone() == (timeout,)
        cursor.execute("RESET lock_timeout")
