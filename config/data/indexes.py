"""Indexes of a partitioned table, made while others write.

`CREATE INDEX` on the parent would lock all of it out for as long as it takes; CONCURRENTLY is refused there.
"""

from django.db.backends.base.base import BaseDatabaseWrapper

_WITHOUT = """
SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass AND inhrelid NOT IN (
    SELECT indrelid FROM pg_index JOIN pg_inherits ON inhrelid = indexrelid WHERE inhparent = %s::regclass
) ORDER BY 1 DESC
"""


def create(connection: BaseDatabaseWrapper, parent: str, name: str, definition: str) -> None:
    """`definition` is what follows the table's name. Needs autocommit; what broke off is gone on with the next time."""
    with connection.cursor() as cursor:
        # From now on new months bring it along. Who waits for a lock holds up all that come after, so that `migrate`
        # tries again instead.
        cursor.execute(
            f"SET lock_timeout = '300ms'; CREATE INDEX IF NOT EXISTS {name} ON ONLY {parent} {definition};"
            " SET lock_timeout = 0"
        )
        cursor.execute(_WITHOUT, [parent, name])
        for (table,) in cursor.fetchall():
            index = f"{table}{name.removeprefix(parent)}"
            cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {index}")  # a try that broke off
            cursor.execute(f"CREATE INDEX CONCURRENTLY {index} ON {table} {definition}")
            cursor.execute(f"ALTER INDEX {name} ATTACH PARTITION {index}")
