"""Redis behind Sentinels: `redis+sentinel://user:password@host:26379,host:26379/mymaster/0`.

A replica that is promoted may lack the last that its master was told: that something is no longer true, or who wrote.
So each connection compares the master with the one that the memory (config.cache.memory) was begun under; under
another one memory begins anew, before anything is asked.
"""

from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from redis.sentinel import Sentinel, SentinelConnectionPool

from config.cache import keys

SCHEME = "redis+sentinel"
EXAMPLE = f"{SCHEME}://user:password@host:26379,host:26379/service/0"
_PORT = 26379

_MOVED = """
if redis.call('GET', KEYS[2]) ~= ARGV[1] then
  redis.call('DEL', KEYS[1])
  redis.call('SET', KEYS[2], ARGV[1])
end
return 1
"""


class Place(NamedTuple):
    """The user and password are Redis's; the Sentinels are asked without."""

    sentinels: list[tuple[str, int]]
    service: str
    database: int
    username: str | None
    password: str | None


def parse(url: str) -> Place:
    """Raises ValueError."""
    # By hand: several hosts are no URL, and newer Pythons refuse those with an IPv6 address among them.
    scheme, _, rest = url.partition("://")
    authority, _, path = rest.partition("/")
    login, _, hosts = authority.rpartition("@")
    username, _, password = login.partition(":")
    service, _, database = path.strip("/").partition("/")
    # In capitals it would be lost: where it stands for a host, Django's cache writes it small.
    if scheme != SCHEME or not service or service != service.lower() or not {"?", "#"}.isdisjoint(rest):
        raise ValueError(url)
    sentinels = [_address(host) for host in hosts.split(",")]
    return Place(sentinels, service, int(database or 0), unquote(username) or None, unquote(password) or None)


def _address(text: str) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    if not parts.hostname or parts.port == 0:
        raise ValueError(text)
    return parts.hostname, parts.port or _PORT


def pool(url: str, **options: Any) -> SentinelConnectionPool:
    """Of the master, wherever it is when a connection is made. `options` are those of any connection of redis-py."""
    place = parse(url)
    login = {"db": place.database, "username": place.username, "password": place.password}
    return SentinelConnectionPool(
        place.service,
        Sentinel(place.sentinels, sentinel_kwargs=options),
        redis_connect_func=_greet,
        **login,
        **options,
    )


def _greet(connection: Any) -> None:
    connection.on_connect()
    master = f"{connection.host}:{connection.port}"
    connection.send_command("EVAL", _MOVED, 2, keys.MEMORY, keys.MASTER, master, check_health=False)
    connection.read_response()


def django_cache(url: str) -> tuple[str, dict[str, Any]]:
    """LOCATION and OPTIONS of django-redis, which has the service where others have a host."""
    place = parse(url)
    login = {"USERNAME": place.username, "PASSWORD": place.password}
    return f"redis://{place.service}/{place.database}?is_master=1", {
        "CONNECTION_FACTORY": "django_redis.pool.SentinelConnectionFactory",
        "SENTINELS": place.sentinels,
        **{name: value for name, value in login.items() if value},
    }
