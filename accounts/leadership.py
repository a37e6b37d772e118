"""One process of a kind at work, the others waiting: a session advisory lock, past the pooler."""

from django.db import connections

DIRECT = "direct"


class Leadership:
    """Raises DatabaseError when PostgreSQL does not answer; the lock is gone with its connection then."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._held = False

    def hold(self) -> bool:
        """True while this process leads. To be asked before each piece of work."""
        connection = connections[DIRECT]
        if self._held and connection.connection is not None:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")  # a lock whose connection has died is another's now
            return True
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", [self._name])
            self._held = bool(cursor.fetchone()[0])
        return self._held

    def drop(self) -> None:
        self._held = False
        connections[DIRECT].close()
