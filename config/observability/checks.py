"""What /readyz?verbose asks of the platform's own dependencies. Apps add theirs by `health.register`."""

from functools import partial
from uuid import UUID

from django.conf import settings
from django.db import connections
from django.db.migrations.executor import MigrationExecutor
from kombu import Connection
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from config.cache import redis
from config.data import partitions, replicas
from config.events import ahead, topology
from config.events.outbox import RELAY, Outbox, Position
from config.events.publisher import BROKER_ERRORS
from config.observability import health
from config.observability.health import Result

LEAST_MONTHS = 2
RELAY_LAG_LIMIT = 30.0  # seconds
BROKER_TIMEOUT = 0.8  # seconds: a little less than a probe waits, so that the reason is told


def register() -> None:
    health.register_database("primary", primary)
    for alias in settings.REPLICAS:
        health.register_database(alias, partial(replica, alias))
    others = {"redis": cache, "broker": broker, "partitions": months, "migrations": migrations, "relay": relay}
    for name, check in others.items():
        health.register(name, check)


def primary() -> Result:
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT pg_is_in_recovery()")
        standby = cursor.fetchone()[0]
    return Result("warning", "a standby, which takes no writes: promote it") if standby else Result("ok")


def replica(alias: str) -> Result:
    behind = replicas.lag(alias)
    return Result("ok" if behind <= replicas.LAG_LIMIT else "warning", f"{behind:.1f} s behind")


def cache() -> Result:
    try:
        redis.call("PING")
    except redis.Unavailable:
        return Result("warning", "left alone until it answers again; calls go on without it")
    return Result("ok")


def broker() -> Result:
    """A whole login: a frozen broker still takes connections."""
    try:
        _log_in()
    except BROKER_ERRORS as error:
        return Result("warning", f"{type(error).__name__}: events wait in the log")
    return Result("ok")


def _log_in() -> None:
    """Past kombu's `connect()`, which tries twice with seconds between and has no time-out on redis://."""
    if topology.is_amqp():
        transport = Connection(settings.BROKER_URL, connect_timeout=BROKER_TIMEOUT).transport
        transport.close_connection(transport.establish_connection())
        return
    timeouts = {"socket_connect_timeout": BROKER_TIMEOUT, "socket_timeout": BROKER_TIMEOUT}
    with Redis.from_url(settings.BROKER_URL, retry=Retry(NoBackoff(), 0), **timeouts) as client:
        client.ping()


def months() -> Result:
    ahead = partitions.months_ahead(connections["default"])
    detail = f"{ahead} months ahead"
    return Result("ok", detail) if ahead >= LEAST_MONTHS else Result("warning", f"{detail}: run manage.py partitions")


def migrations() -> Result:
    executor = MigrationExecutor(connections["default"])
    missing = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    return Result("warning", f"{missing} not applied: run manage.py migrate") if missing else Result("ok")


def relay() -> Result:
    if ahead.is_ahead("default"):
        return Result("failed", f"{ahead.PROBLEM}: see docs/operators/backups.md")
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT xid, id FROM events_cursor WHERE name = %s", [RELAY])
        row = cursor.fetchone() or (0, UUID(int=0))
    pending, lag = Outbox("default").status(Position(int(row[0]), row[1]))
    detail = f"{pending} events wait, the oldest for {lag:.1f} s"
    return Result("ok", detail) if lag <= RELAY_LAG_LIMIT else Result("warning", f"{detail}: look at the relay")
