from django.db import connection


def current_id() -> int:
    """The id (xid8) of the transaction, for a write that appends no event: its consistency token."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id()::text")
        return int(cursor.fetchone()[0])
