"""A master dies, or is told to step down: the next one is found, and what it may not know is not believed."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from django.conf import settings as django_settings
from django.core.cache import caches

from config.cache import gate, keys, memory, sentinel
from config.cache import redis as house_redis
from tests.config.conftest import new_process, settle
from tests.config.servers import LONG_AGO, OwnRedis, eventually, free_port

pytestmark = pytest.mark.stack

SERVICE = "tasks"


class Sentinel:
    """One that decides alone, and soon."""

    def __init__(self, folder: Path, master: OwnRedis) -> None:
        self.port = free_port()
        config = folder / "sentinel.conf"
        config.write_text(
            f"port {self.port}\nbind 127.0.0.1\ndir {folder}\n"
            f"sentinel monitor {SERVICE} 127.0.0.1 {master.port} 1\n"
            f"sentinel down-after-milliseconds {SERVICE} 1000\n"
            f"sentinel failover-timeout {SERVICE} 3000\n"
        )
        self.client: Any = redis.Redis(port=self.port, socket_timeout=5)
        self.process = subprocess.Popen(
            ["redis-server", str(config), "--sentinel"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        eventually(self._knows_the_replica, "Sentinel knows the replica")

    def _knows_the_replica(self) -> bool:
        try:
            return int(self.client.sentinel_master(SERVICE)["num-slaves"]) == 1
        except redis.RedisError:
            return False

    def steps_down(self) -> bool:
        """The master; as soon as Sentinel has seen that its replica is good."""
        try:
            return bool(self.client.execute_command("SENTINEL", "FAILOVER", SERVICE))
        except redis.ResponseError:
            return False

    def master(self) -> int:
        """Its port."""
        return int(self.client.sentinel_get_master_addr_by_name(SERVICE)[1])


class Pair:
    def __init__(self, folder: Path) -> None:
        self.servers = []
        for name in ("one", "two"):
            (folder / name).mkdir()
            self.servers.append(OwnRedis(folder / name))
        self.one, self.two = self.servers
        self.two.client.replicaof("127.0.0.1", self.one.port)
        eventually(lambda: self.two.client.info("replication")["master_link_status"] == "up", "the replica follows")
        self.sentinel = Sentinel(folder, self.one)
        dead = free_port()  # the first Sentinel that is asked is not there
        hosts = f"127.0.0.1:{dead},127.0.0.1:{self.sentinel.port}"
        self.url = f"{sentinel.SCHEME}://{hosts}/{SERVICE}/0"

    def replicated(self) -> None:
        self.one.client.wait(1, 5000)

    def end(self) -> None:
        for process in (self.sentinel.process, *(server.process for server in self.servers)):
            process.kill()
            process.wait()


@pytest.fixture
def pair(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    """Of one test's own, whose master may go."""
    found = Pair(tmp_path)
    new_process(settings, monkeypatch, found.url)
    yield found
    settle()
    found.end()


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    found = Pair(tmp_path_factory.mktemp("sentinel"))
    yield found
    found.end()


@pytest.fixture
def steady(kept: Pair, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    """Whose master stays."""
    new_process(settings, monkeypatch, kept.url)
    yield kept
    settle()


def enter() -> gate.Verdict:
    return gate.enter("alice", session=None, issued_at=0)


def remembers_since_long_ago(pair: Pair) -> None:
    assert enter().redis_down is False, "the first connection has noted its master"
    pair.one.client.set(memory.KEY, LONG_AGO)
    pair.replicated()
    assert not enter().unsure


def test_the_master_is_asked(steady: Pair) -> None:
    assert house_redis.call("SET", "a", "1") == b"OK"
    assert steady.one.client.get("a") == b"1"
    assert steady.one.client.get(keys.MASTER) == f"127.0.0.1:{steady.one.port}".encode()


def test_when_the_master_dies_calls_go_on_and_the_next_one_is_found(pair: Pair) -> None:
    remembers_since_long_ago(pair)
    pair.one.kill()
    assert enter().redis_down is True, "nothing fails: the call goes on without Redis"
    eventually(lambda: pair.sentinel.master() == pair.two.port, "the failover", within=60)
    eventually(house_redis.available, "the breaker closes", within=60)
    verdict = enter()
    assert verdict.redis_down is False
    assert verdict.unsure is True, "the next master may lack what the first was told last"
    assert pair.two.client.get(memory.KEY) != LONG_AGO.encode()


def test_when_the_master_steps_down_no_call_fails(pair: Pair) -> None:
    """Its connections are closed, which is seen before they are used again."""
    remembers_since_long_ago(pair)
    eventually(pair.sentinel.steps_down, "the order to step down", within=60)
    eventually(lambda: pair.two.client.info("replication")["role"] == "master", "the failover", within=60)
    eventually(lambda: pair.one.client.info("replication")["role"] == "slave", "the old one follows", within=60)
    eventually(lambda: pair.sentinel.master() == pair.two.port, "Sentinel says so", within=60)
    eventually(lambda: enter().redis_down is False, "the new master is asked")
    assert house_redis.call("SET", "b", "2") == b"OK"
    assert pair.two.client.get("b") == b"2"
    assert pair.two.client.get(memory.KEY) != LONG_AGO.encode(), "nobody believes the old memory"


def test_a_kept_connection_to_a_former_master_is_not_used_after_an_outage(steady: Pair) -> None:
    house_redis.call("SET", "a", "1")
    kept = house_redis._local.connection
    house_redis._breaker.trip("another thread has lost it")
    eventually(house_redis.available, "the breaker closes")
    house_redis.call("SET", "a", "2")
    assert house_redis._local.connection is not kept


def test_djangos_own_cache_finds_the_master_too(steady: Pair, settings: Any) -> None:
    location, options = sentinel.django_cache(steady.url)
    common: Any = django_settings.CACHES["default"]["OPTIONS"]
    settings.CACHES = {
        "default": {**django_settings.CACHES["default"], "LOCATION": location, "OPTIONS": {**common, **options}}
    }
    caches["default"].set("session", {"a": 1}, 60)
    assert caches["default"].get("session") == {"a": 1}
    assert steady.one.client.dbsize() >= 1
    caches["default"].close()


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("redis+sentinel://a/tasks", ([("a", 26379)], "tasks", 0, None, None)),
        ("redis+sentinel://u:p%40s@a:1,[::1]:2/t/3", ([("a", 1), ("::1", 2)], "t", 3, "u", "p@s")),
        ("redis+sentinel://:p@a,b/t/", ([("a", 26379), ("b", 26379)], "t", 0, None, "p")),
    ],
)
def test_an_address_is_understood(url: str, place: tuple[Any, ...]) -> None:
    assert sentinel.parse(url) == place


WRONG = (
    *("redis+sentinel://a:1", "redis+sentinel:///t", "redis+sentinel://a,/t", "redis+sentinel://a/T"),
    *("redis+sentinel://a:x/t", "redis+sentinel://a/t/x", "redis+sentinel://a/t?b=c", "redis+sentinel://a:0/t"),
)


@pytest.mark.parametrize("url", WRONG)
def test_a_wrong_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (of several)
        sentinel.parse(url)
