"""Fails when a migration could stop the version before, or hold up its calls (docs/operators/migrations.md).

Run by `make check`: django-migration-linter over the SQL of every migration, without a database.
"""

import re
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from unittest import mock

import django
import psycopg
from django.db.backends.base import schema
from django.db.backends.postgresql.operations import DatabaseOperations
from django.db.migrations.recorder import MigrationRecorder

ROOT = Path(__file__).resolve().parent.parent
# What the linter says of these is wrong, or is answered for: the reason.
IGNORED: dict[str, str] = {
    "0001_task": "It makes the table; the linter does not see that in hand-written SQL.",
    "0002_task_count": "Its indexes are of a table that it makes; the triggers give up after a moment (lock_timeout).",
    "0007_drop_task_search": "An index of a partitioned table cannot be dropped CONCURRENTLY; it takes a moment.",
    "0013_drop_task_found": "The same.",
    "0006_body_alone": "A CHECK that was validated before proves NOT NULL, so that nothing is scanned.",
    "0007_drop_text": "The last step: no release that runs knows the column any more (the example of the docs).",
}
_NEW_TABLE = re.compile(r'CREATE TABLE "?(\w+)')
_HARMLESS = re.compile(r"VALIDATE CONSTRAINT|ATTACH PARTITION|DETACH PARTITION .* CONCURRENTLY")
_CONSTRAINT = re.compile(r'ALTER TABLE "?(\w+)"? .*ADD CONSTRAINT .*(CHECK|FOREIGN KEY)')


def scans_under_lock(sql_statements: Sequence[str], **_: Any) -> bool:
    """A constraint on a table that was there, checked on all of its rows at once."""
    new = {found[1] for statement in sql_statements if (found := _NEW_TABLE.match(statement))}
    constraints = [(found[1], sql) for sql in sql_statements if (found := _CONSTRAINT.match(sql))]
    return any(table not in new and "NOT VALID" not in sql for table, sql in constraints)


def waits_with_others_behind(sql_statements: Sequence[str], **_: Any) -> bool:
    """A lock that stops callers, asked for where `migrate` sets no lock_timeout: outside of a transaction."""
    if sql_statements and sql_statements[0].startswith("BEGIN"):
        return False
    return any(sql.startswith("ALTER TABLE") and not _HARMLESS.search(sql) for sql in sql_statements)


def lint() -> bool:
    """Whether all is well."""
    from django_migration_linter import MigrationLinter  # noqa: PLC0415 (it wants Django to be set up)
    from django_migration_linter.sql_analyser.base import Check, CheckMode, CheckType  # noqa: PLC0415
    from django_migration_linter.sql_analyser.postgresql import PostgresqlAnalyser  # noqa: PLC0415

    ours = [
        Check(code, check, message, CheckMode.TRANSACTION, CheckType.ERROR)
        for code, check, message in (
            ("ADD_CONSTRAINT", scans_under_lock, "ADD CONSTRAINT scans under a lock: NOT VALID first, then VALIDATE"),
            ("NO_LOCK_TIMEOUT", waits_with_others_behind, "ALTER TABLE in a migration with atomic = False"),
        )
    ]
    PostgresqlAnalyser.migration_checks = [*PostgresqlAnalyser.migration_checks, *ours]
    linter = MigrationLinter(str(ROOT), ignore_name=IGNORED, no_cache=True, all_warnings_as_errors=True)
    linter.lint_all_migrations()
    linter.print_summary()
    return not linter.has_errors


def _composed(_: Any, sql: str, params: Sequence[Any] | None) -> str:
    return sql % tuple(map(psycopg.sql.quote, params)) if params else sql


def main() -> int:
    """`sqlmigrate` asks the database for its history, a transaction and quotes; none of it changes the SQL."""
    django.setup()
    with (
        mock.patch.object(MigrationRecorder, "applied_migrations", return_value={}),
        mock.patch.object(schema, "atomic", return_value=nullcontext()),
        mock.patch.object(DatabaseOperations, "compose_sql", _composed),
    ):
        return 0 if lint() else 1


if __name__ == "__main__":
    sys.exit(main())
