"""Redis is killed, frozen, flushed and full in turn, under people who write and read: every answer is 2xx and right.

While it is left alone no call asks it anything. `FAULT_PAIRS=10000` makes the storm longer (`make faults`).
"""

import itertools
import os
import random
import statistics
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from config.cache import memory
from tests.accounts.keycloak import Mint
from tests.config.postgres_pair import PostgresPair
from tests.config.servers import LONG_AGO, OwnRedis
from tests.faults.redis_storm import WRITERS, Called, Crowd, Instances, Writer, migrate

pytestmark = [pytest.mark.stack, pytest.mark.process, pytest.mark.timeout(900)]

ROUNDS = max(2, int(os.environ.get("FAULT_PAIRS", "400")) // 200)  # of each writer in each phase
Outage = Callable[[OwnRedis], AbstractContextManager[None]]


@pytest.fixture(scope="module")
def pair() -> Iterator[PostgresPair]:
    """Whose replica is two seconds behind."""
    pair = PostgresPair()
    migrate(pair)
    pair.ask("replica", "ALTER SYSTEM SET recovery_min_apply_delay = '2s'")
    pair.ask("replica", "SELECT pg_reload_conf()")
    yield pair
    pair.end()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[OwnRedis]:
    server = OwnRedis(tmp_path)
    server.client.set(memory.KEY, LONG_AGO)
    yield server
    server.thaw()
    server.kill()


@pytest.fixture
def instances(tmp_path: Path, pair: PostgresPair, server: OwnRedis, tokens: Mint) -> Iterator[Instances]:
    instances = Instances(tmp_path, pair, server, tokens.issuer)
    yield instances
    instances.stop()


@pytest.fixture
def crowd(instances: Instances, tokens: Mint) -> Iterator[Crowd]:
    writers = [Writer(name, tokens, instances.urls) for name in WRITERS]
    yield Crowd(writers)
    for writer in writers:
        writer.close()


@contextmanager
def killed(server: OwnRedis) -> Iterator[None]:
    server.kill()
    try:
        yield
    finally:
        server.start()


@contextmanager
def frozen(server: OwnRedis) -> Iterator[None]:
    server.freeze()
    try:
        yield
    finally:
        server.thaw()


@contextmanager
def full(server: OwnRedis) -> Iterator[None]:
    server.fill()
    try:
        yield
    finally:
        server.empty()


@contextmanager
def crowded(server: OwnRedis) -> Iterator[None]:
    """Full of what others keep, so that something has to go for whatever comes; by the policy of docker/redis."""
    over = threading.Event()

    def crowd() -> None:
        for number in itertools.count():
            if over.is_set():
                return
            server.client.set(f"others:{number}", bytes(20_000), px=random.randint(60_000, 120_000))

    server.client.config_set("maxmemory-policy", "volatile-ttl")
    server.client.config_set("maxmemory", server.client.info("memory")["used_memory"] + 4_000_000)
    thread = threading.Thread(target=crowd)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        server.empty()


def test_in_a_storm_every_answer_is_right(instances: Instances, server: OwnRedis, crowd: Crowd) -> None:
    with crowd.calling():
        crowd.phase("well")
        with crowded(server):
            crowd.rounds(4 * ROUNDS)
            assert server.client.info("stats")["evicted_keys"] > 0
            assert server.client.get(memory.KEY) == LONG_AGO.encode(), "nobody was sent to the primary for it"
        for outage in (killed, frozen, full):
            weather(outage, instances, server, crowd)
        for _ in range(ROUNDS):
            server.client.flushall()
            crowd.rounds(1)
    tell(crowd.called())


def weather(outage: Outage, instances: Instances, server: OwnRedis, crowd: Crowd) -> None:
    crowd.phase("begins or ends")
    with outage(server):
        crowd.until(instances.go_without_redis, "both leave it alone")
        crowd.rounds(1)
        asked = instances.failures()
        crowd.phase(outage.__name__)
        crowd.rounds(ROUNDS)
        assert instances.failures() == asked, "a call has asked it nevertheless"
        crowd.phase("begins or ends")
    crowd.until(instances.believe_in_redis, "both believe it again")
    crowd.phase("well")
    crowd.rounds(ROUNDS)


def tell(called: list[Called]) -> None:
    for phase, method in itertools.product(dict.fromkeys(call.phase for call in called), ("GET", "PATCH")):
        times = sorted(1000 * call.seconds for call in called if (call.phase, call.method) == (phase, method))
        if len(times) > 1:
            cuts = statistics.quantiles(times, n=100, method="inclusive")
            print(  # noqa: T201 (for `make faults`)
                f"{phase:14} {method:6} {len(times):6} calls, ms: median {cuts[49]:.1f}, p99 {cuts[98]:.1f}"
            )
