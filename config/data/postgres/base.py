from collections.abc import Callable
from functools import partial
from typing import Any

import psycopg
from django_prometheus.db.backends.postgresql import base

from config import sockets

# Seconds for any answer of a database, in a process that sets it. The pooler ends what a server does not answer, but
# nothing ends what the pooler does not answer (`statement_timeout` is the server's own).
longest_wait: float | None = None


class DatabaseWrapper(base.DatabaseWrapper):  # type: ignore[misc]  # the package has no types
    def is_usable(self) -> bool:
        """Whether a kept connection may be used again: asked once a request (CONN_HEALTH_CHECKS).

        A server, a pooler or a failover that ended it while it was idle is noticed here; what ends between this
        look and the query is answered 503.
        """
        connection = self.connection
        return connection is not None and not connection.closed and sockets.is_quiet(connection.fileno())

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        connection = super().get_new_connection(conn_params)
        if longest_wait is not None:
            connection.wait = partial(_wait, connection, connection.wait)
        return connection


def _wait(connection: Any, wait: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    try:
        return wait(*arguments, **{"timeout": longest_wait, **options})
    except psycopg.errors._WaitTimeout as error:
        connection.close()  # what it still sends would be taken for the next answer
        raise psycopg.OperationalError(f"The database did not answer within {longest_wait} s.") from error
