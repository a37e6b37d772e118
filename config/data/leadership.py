"""One process of a kind at work, the others waiting: a session advisory lock, past the pooler."""

from django.db import connections

DIRECT = "direct"


class Leadership:
    """Raises django.db.Error when PostgreSQL does not answer: then `drop` it and ask again later.

    The lock lives exactly as long as its connection, so work that writes through that connection can never run
    beside a successor.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._held = False

    def hold(self) -> bool:
        """True while this process leads. To be asked before each piece of work."""
        with connections[DIRECT].cursor() as cursor:
            if self._held:
                cursor.execute("SELECT 1")  # a lock whose connection has died is another's now
                return True
            cursor.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", [self._name])
            self._held = bool(cursor.fetchone()[0])
        return self._held

    def drop(self) -> None:
        self._held = False
        connections[DIRECT].close()
