"""The cursor of our database engine: a transaction begins with its first statement, and statements are measured.

psycopg sends BEGIN alone and waits for its answer: a round trip in each transaction that tells nothing.
"""

import time
from functools import cache
from typing import TYPE_CHECKING, Any, Self

from django_prometheus import db as metrics
from psycopg.pq import TransactionStatus

if TYPE_CHECKING:
    from psycopg import ClientCursor

    Base = ClientCursor[Any]
else:
    from django.db.backends.postgresql.base import Cursor as Base  # which the stubs do not know

_VENDOR = "postgresql"


class Cursor(Base):
    alias: str

    def execute(self, query: Any, params: Any = None, **options: Any) -> Self:
        if not isinstance(query, str):
            self._begin()
        begins = self._begins()
        count, seconds = _series(self.alias)
        count.inc()
        started = time.perf_counter()
        try:
            super().execute(f"BEGIN; {query}" if begins else query, params, **options)
        except Exception as error:
            metrics.errors_total.labels(self.alias, _VENDOR, type(error).__name__).inc()
            raise
        finally:
            seconds.observe(time.perf_counter() - started)
        if begins:
            self.nextset()
        return self

    def executemany(self, query: Any, params_seq: Any, **options: Any) -> None:
        self._begin()
        super().executemany(query, params_seq, **options)

    def copy(self, *arguments: Any, **options: Any) -> Any:
        self._begin()
        return super().copy(*arguments, **options)

    def _begins(self) -> bool:
        """Whether a transaction is wanted and none is open."""
        connection = self.connection
        return getattr(connection, "in_transactions", False) and (
            connection.pgconn.transaction_status == TransactionStatus.IDLE
        )

    def _begin(self) -> None:
        """Alone, before what takes no second statement."""
        if self._begins():
            super().execute("BEGIN")


@cache
def _series(alias: str) -> tuple[Any, Any]:
    """django_prometheus's own, looked up once: `labels()` takes a lock and builds a key each time."""
    return metrics.execute_total.labels(alias, _VENDOR), metrics.query_duration_seconds.labels(alias, _VENDOR)


@cache
def of(alias: str) -> type[Cursor]:
    return type("AliasCursor", (Cursor,), {"alias": alias})
