"""The quota over two instances of two processes each, over HTTP: exact, in any window, and with a true Retry-After."""

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit

import httpx
import pytest
import redis

from config.launch.client import LocalSystem
from tests.config.servers import eventually
from tests.observability.server import Server

pytestmark = pytest.mark.stack
REDIS = "/15"  # nobody else's
QUOTA, THREADS, CALLS = 100, 40, 400
FEW, WINDOW = 5, 4  # of the policy `ip`; seconds


@pytest.fixture(scope="module")
def instances(stack: LocalSystem, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """With limits of their own, on the stack's servers."""
    cache = urlunsplit(urlsplit(stack.env["CACHE_URL"])._replace(path=REDIS))
    operator = urlunsplit(urlsplit(stack.part("redis").url)._replace(path=REDIS))  # Taskmill's account may not flush
    with redis.Redis.from_url(operator) as client:
        client.flushdb()
    own = {"CACHE_URL": cache, "API_WORKERS": "2", "RATE_LIMIT_USER": f"{QUOTA}/h", "RATE_LIMIT_IP": f"{FEW}/{WINDOW}s"}
    with ThreadPoolExecutor(2) as threads:
        folders = [tmp_path_factory.mktemp(name) for name in ("first", "second")]
        servers = list(threads.map(lambda folder: _start(folder, {**stack.env, **own}), folders))
        yield [f"http://127.0.0.1:{server.port}" for server in servers]
        assert list(threads.map(Server.stop, servers)) == [0, 0]


def _start(folder: Path, env: dict[str, str]) -> Server:
    return Server(folder, **env)


class Call(NamedTuple):
    sent: float
    came: float
    answer: httpx.Response


def call_in_parallel(instances: list[str], path: str, headers: dict[str, str], each: int) -> list[Call]:
    """As many threads at once, by turns at the one and at the other instance, each with a connection of its own."""
    start = Barrier(THREADS)

    def run(number: int) -> list[Call]:
        calls = []
        with httpx.Client(base_url=instances[number % 2], headers=headers, timeout=60) as client:
            start.wait()
            for _ in range(each):
                sent = time.monotonic()
                answer = client.get(path)
                calls.append(Call(sent, time.monotonic(), answer))
        return calls

    with ThreadPoolExecutor(THREADS) as threads:
        return [call for calls in threads.map(run, range(THREADS)) for call in calls]


def test_four_hundred_parallel_calls_get_exactly_the_quota(instances: list[str], stack: LocalSystem) -> None:
    headers = {"Authorization": f"Bearer {stack.token('alice')}"}
    calls = call_in_parallel(instances, "/v1/me", headers, CALLS // THREADS)
    assert Counter(call.answer.status_code for call in calls) == {200: QUOTA, 429: CALLS - QUOTA}
    for call in calls:
        answer = call.answer
        assert answer.headers["RateLimit-Policy"] == f'"user";q={QUOTA};w=3600'
        if answer.status_code == 429:
            assert 0 < int(answer.headers["Retry-After"]) <= 3600
            assert answer.json()["violated-policies"] == ["user"]


def over_limit(client: httpx.Client) -> httpx.Response | None:
    answer = client.get("/v1/openapi.json")
    return answer if answer.status_code == 429 else None


def test_no_window_holds_more_than_the_quota_and_retry_after_is_true(instances: list[str]) -> None:
    headers = {"X-Forwarded-For": "192.0.2.1"}
    calls = call_in_parallel(instances, "/v1/openapi.json", headers, 25)
    passed = [call for call in calls if call.answer.status_code == 200]
    assert {call.answer.status_code for call in calls} == {200, 429}
    # When a call was counted is known only to have been between its two times: those lie in the window for sure.
    for first in passed:
        surely = [call for call in passed if first.sent <= call.sent and call.came < first.sent + WINDOW]
        assert len(surely) <= FEW
    with httpx.Client(base_url=instances[0], headers=headers, timeout=60) as alone:
        refused = eventually(lambda: over_limit(alone), "a refusal")
        assert 0 < int(refused.headers["Retry-After"]) <= WINDOW
        time.sleep(int(refused.headers["Retry-After"]))
        assert alone.get("/v1/openapi.json").status_code == 200
