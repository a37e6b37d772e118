"""Publishes batches with one wait for all confirms, and never hangs.

A broker that has an alarm, is frozen or is cut off keeps the connection open and answers nothing. So each step has
a share of one deadline, and after any failure the socket is dropped without a goodbye (which would wait for an answer
as well). What was sent before is then sent again: at least once.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from amqp.exceptions import AMQPError
from django.conf import settings
from kombu import Connection, Producer
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

from config.events import topology

CONNECT_TIMEOUT = 2.0
# Seconds: for a whole batch, connecting excluded; and for one write to a socket that nobody empties.
DEADLINE, WRITE_TIMEOUT = 3.0, 1.5
# Everything that a broker in trouble raises, timeouts included (OSError).
BROKER_ERRORS: tuple[type[Exception], ...] = (OSError, AMQPError, KombuError, RedisError)

Send = Callable[[Producer], None]


class Unpublished(Exception):
    """The broker did not take the whole batch."""


# For callers who read from the broker as well.
TROUBLE: tuple[type[Exception], ...] = (Unpublished, *BROKER_ERRORS)


@dataclass
class _Confirms:
    """What the broker has said about the messages of one channel."""

    sent: int = 0
    outstanding: set[int] = field(default_factory=set)
    trouble: list[str] = field(default_factory=list)

    def acked(self, tag: int, multiple: bool) -> None:
        self.outstanding -= {each for each in self.outstanding if each <= tag} if multiple else {tag}

    def nacked(self, tag: int, multiple: bool) -> None:
        self.trouble.append(f"message {tag} was refused")

    def returned(self, error: Exception, exchange: str, routing_key: str, message: Any) -> None:
        self.trouble.append(f"no queue takes {exchange} {routing_key}")

    def blocked(self, reason: str) -> None:
        self.trouble.append("the broker blocks publishers: it has a memory or disk alarm")

    def add(self) -> None:
        self.sent += 1
        self.outstanding.add(self.sent)

    def check(self) -> None:
        if self.trouble:
            raise Unpublished(self.trouble[0])


class Publisher:
    """One connection, made when needed. Not for use by several threads."""

    def __init__(self) -> None:
        self._connection: Connection | None = None
        self._transport: Any = None
        self._producer: Any = None
        self._confirms = _Confirms()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.drop()

    def publish(self, messages: Sequence[Send]) -> None:
        """Returns when the broker has taken responsibility for every message. Raises Unpublished."""
        try:
            if self._producer is None:
                self._connect()
            deadline = time.monotonic() + DEADLINE
            for send in messages:
                if topology.is_amqp():
                    self._confirms.add()
                send(self._producer)
                _left(deadline)
            self._await_confirms(deadline)
        except BROKER_ERRORS as error:
            self.drop()
            raise Unpublished(str(error) or repr(error)) from error
        except Unpublished:
            self.drop()
            raise

    def drop(self) -> None:
        """Closes the socket, whatever state it is in."""
        if self._transport is not None:
            self._transport.collect()
        elif self._connection is not None:
            self._connection.collect(socket_timeout=0.1)
        self._connection = self._transport = self._producer = None

    def _connect(self) -> None:
        self._confirms = _Confirms()
        if topology.is_amqp():
            channel = self._confirming_channel()
        else:
            timeouts = {"socket_timeout": DEADLINE, "socket_connect_timeout": CONNECT_TIMEOUT}
            self._connection = Connection(settings.BROKER_URL, transport_options=timeouts)
            channel = self._connection.channel()
        topology.declare(channel)
        if self._transport is not None:
            self._transport.transport.sock.settimeout(WRITE_TIMEOUT)
        self._producer = Producer(channel, auto_declare=False)

    def _confirming_channel(self) -> Any:
        self._connection = Connection(settings.BROKER_URL, connect_timeout=CONNECT_TIMEOUT)
        # The transport's own method: Connection.connect() would try, and wait, a second time.
        self._transport = self._connection.transport.establish_connection()
        # Bounds every read and write that has no time-out of its own: opening a channel, declaring a queue.
        self._transport.transport.sock.settimeout(DEADLINE)
        self._transport.on_blocked = self._confirms.blocked
        # The broker has been told already; this only stops a look at the socket before each message, which costs
        # more than the message. An alarm is seen while waiting for the confirms.
        self._transport.client_properties = {**self._transport.client_properties, "capabilities": {}}
        channel = self._transport.channel()
        channel.confirm_select()
        channel.events["basic_ack"].add(self._confirms.acked)
        channel.events["basic_nack"].add(self._confirms.nacked)
        channel.events["basic_return"].add(self._confirms.returned)
        return channel

    def _await_confirms(self, deadline: float) -> None:
        while self._confirms.outstanding:
            self._transport.drain_events(timeout=_left(deadline))
            self._confirms.check()
        self._confirms.check()


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise Unpublished(f"the broker did not confirm within {DEADLINE:g} s")
    return left
