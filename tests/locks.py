"""What the tests' database says of those who wait in it."""

from django.db import connection


def somebody_waits(what: str = "transactionid") -> bool:
    """For the transaction of another, which has a row; or for another kind of lock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")  # it is kept for a transaction otherwise
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_locks l JOIN pg_stat_activity a USING (pid) "
            "WHERE NOT l.granted AND l.locktype = %s AND a.datname = current_database())",
            [what],
        )
        return bool(cursor.fetchone()[0])
