from django_prometheus.db.backends.postgresql import base

from config import sockets


class DatabaseWrapper(base.DatabaseWrapper):  # type: ignore[misc]  # the package has no types
    def is_usable(self) -> bool:
        """Whether a kept connection may be used again: asked once a request (CONN_HEALTH_CHECKS).

        A server, a pooler or a failover that ended it while it was idle is noticed here; what ends between this
        look and the query is answered 503.
        """
        connection = self.connection
        return connection is not None and not connection.closed and sockets.is_quiet(connection.fileno())
