import time
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.core.management.commands import migrate
from django.db import OperationalError, connections
from django.db.migrations import Migration

# Whoever asks for a table waits behind an ALTER that waits: callers may lose this much, and no more.
LOCK_TIMEOUT = "300ms"
# Seconds between the tries, five minutes in all.
PAUSES = (0.5, 1.0, 2.0, 4.0, *[5.0] * 58)
_LOCK_NOT_AVAILABLE = "55P03"
_OLDEST = """
SELECT pid, application_name, extract(epoch FROM now() - xact_start)::int FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL ORDER BY xact_start LIMIT 1
"""


class Command(migrate.Command):
    """Django's `migrate`, past the pooler, whose query time-out would end a long migration half-way; and a lock that
    others hold is asked for again and again, never waited for (docs/operators/migrations.md)."""

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.set_defaults(database="direct")

    def handle(self, *args: Any, **options: Any) -> None:
        self._connection = connections[options["database"]]
        for pause in PAUSES:
            try:
                super().handle(*args, **options)
            except OperationalError as error:
                if getattr(error.__cause__, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
                    raise
                self.stdout.write(f"\n  A table is in use{self._by_whom()}. Next try in {pause:g} s.")
                self.stdout.flush()
                time.sleep(pause)
            else:
                self._give_up_on_locks_after("DEFAULT")
                return
        raise CommandError("A table was never free. What was applied stays; run it again.")

    def migration_progress_callback(self, action: str, migration: Migration | None = None, fake: bool = False) -> None:
        super().migration_progress_callback(action, migration, fake)
        if action in {"apply_start", "unapply_start"} and migration:
            # What runs outside of a transaction (indexes CONCURRENTLY, batches) may wait: nobody waits behind it.
            self._give_up_on_locks_after(f"'{LOCK_TIMEOUT}'" if migration.atomic else "0")

    def _give_up_on_locks_after(self, time: str) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute(f"SET lock_timeout = {time}")

    def _by_whom(self) -> str:
        with self._connection.cursor() as cursor:
            cursor.execute(_OLDEST)
            oldest = cursor.fetchone()
        return " (the oldest transaction: pid {}, {}, {} s)".format(*oldest) if oldest else ""
