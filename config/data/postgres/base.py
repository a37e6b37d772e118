from types import SimpleNamespace
from typing import Any

import psycopg
from django_prometheus.db.backends.postgresql import base

from config import sockets
from config.data.postgres import cursor, patience


class DatabaseWrapper(base.DatabaseWrapper):  # type: ignore[misc]  # the package has no types
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.Database = SimpleNamespace(**{**vars(psycopg), "connect": self._connect})

    def _connect(self, **parameters: Any) -> Any:
        driver = patience.of_calls(self.alias) if patience.is_on else psycopg.Connection
        return driver.connect(**parameters)

    def is_usable(self) -> bool:
        """Whether a kept connection may be used again: asked once a request (CONN_HEALTH_CHECKS).

        A server, a pooler or a failover that ended it while it was idle is noticed here; what ends between this
        look and the query is answered 503.
        """
        connection = self.connection
        return connection is not None and not connection.closed and sockets.is_quiet(connection.fileno())

    def get_connection_params(self) -> dict[str, Any]:
        return {**super().get_connection_params(), "cursor_factory": cursor.of(self.alias)}

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        connection = super().get_new_connection(conn_params)
        connection.autocommit = True  # for good: see _set_autocommit
        return connection

    def _set_autocommit(self, autocommit: bool) -> None:
        self.connection.in_transactions = not autocommit  # what the cursor goes by
