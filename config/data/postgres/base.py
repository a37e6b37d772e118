import select

from django_prometheus.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):  # type: ignore[misc]  # the package has no types
    def is_usable(self) -> bool:
        """Whether a kept connection may be used again: asked once a request (CONN_HEALTH_CHECKS), without a round trip.

        A server, a pooler or a failover that ended the connection has left an end of file in the socket; an idle
        connection has nothing to read. What ends between this look and the query is answered 503.
        """
        connection = self.connection
        if connection is None or connection.closed:
            return False
        poll = select.poll()
        poll.register(connection.fileno(), select.POLLIN)
        return not poll.poll(0)
