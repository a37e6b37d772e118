"""The rate limit of one process while Redis is down: the same sliding window, over this process's share."""

import math
import threading
import time
from collections import OrderedDict, deque

from prometheus_client import Counter

from config.env import Rate

HITS = Counter("taskmill_rate_limit_local", "Calls that were counted in the process because Redis was down")

_MOST_CALLERS = 10_000  # memory stays bounded under a flood of addresses
_calls: OrderedDict[str, deque[float]] = OrderedDict()
_lock = threading.Lock()


def refund(who: str) -> None:
    with _lock:
        if calls := _calls.get(who):
            calls.pop()


def hit(who: str, rate: Rate, cost: int) -> tuple[bool, int, int]:
    """(allowed, remaining, whole seconds until a call becomes free)."""
    HITS.inc()
    now = time.monotonic()
    with _lock:
        calls = _calls.setdefault(who, deque())
        _calls.move_to_end(who)
        if len(_calls) > _MOST_CALLERS:
            _calls.popitem(last=False)
        while calls and calls[0] <= now - rate.window:
            calls.popleft()
        allowed = len(calls) + cost <= rate.limit
        if allowed:
            calls.extend([now] * cost)
        reset = math.ceil(calls[0] + rate.window - now) if calls else rate.window
        return allowed, max(0, rate.limit - len(calls)), reset
