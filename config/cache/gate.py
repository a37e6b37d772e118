"""What every call asks Redis, in one round trip: is the caller denied, over a limit, reading behind a write? And
what is kept of that which he reads?

All keys of one subject share a hash tag, so that the scripts work on Redis Cluster. Without Redis the answers are
`redis_down`: limits come from a share of the quota that each process holds. Then, and while Redis may have forgotten
something (`unsure`), denials come from PostgreSQL (accounts.denials) and reads go to the primary.
"""

import contextlib
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from django.conf import settings

from config.cache import local_window, marks, memory, redis
from config.cache.commands import Command, Script, lua
from config.cache.keys import key as _key
from config.cache.redis import Unavailable, call
from config.cache.shelf import Look, Place
from config.env import Rate

_WINDOW = lua("window") + lua("clock")
_ENTER = Script(
    _WINDOW
    + """
local before = redis.call('GET', KEYS[2])
local denied = 0
if before and tonumber(ARGV[4]) <= (tonumber(before) or math.huge) then denied = 1 end
if denied == 0 and KEYS[3] ~= KEYS[2] and redis.call('EXISTS', KEYS[3]) == 1 then denied = 1 end
local now = milliseconds()
local usage = window(KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), now, tonumber(ARGV[3]))
local wrote, left = {}, redis.call('PTTL', KEYS[4])
-- The version before gave it no more than a minute; what is junk may have no end.
if left > tonumber(ARGV[5]) or left <= 60000 then wrote = redis.call('LRANGE', KEYS[4], 0, -1) end
return {denied, wrote, usage[1], usage[2], usage[3], usage[4], now}
"""
)
_COUNT = Script(
    _WINDOW + "return window(KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), milliseconds(), tonumber(ARGV[3]))"
)
# Out of the slot that it was counted in: out of another one it would leave a gap in which one call too many passes.
_REFUND = Script(
    """
if tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or '0') > 0 then
  redis.call('HINCRBY', KEYS[1], ARGV[1], -1)
  redis.call('HINCRBY', KEYS[1], 'total', -1)
end
"""
)


class Usage(NamedTuple):
    """Where a caller stands under one policy; `reset` is whole seconds until calls become free again."""

    policy: str
    who: str
    rate: Rate
    allowed: bool
    remaining: int
    reset: int
    slot: str | None = None  # where Redis counted it; None: this process did


class Verdict(NamedTuple):
    denied: bool
    wrote: tuple[int, ...]  # the transactions that this principal wrote in lately
    writing: tuple[int, ...]  # and those of which nobody was told yet how they ended
    usage: Usage
    redis_down: bool = False
    unsure: bool = False  # Redis is down, or was a moment ago, or has lost what it knew: writes and denials too
    look: Look | None = None
    beside: Usage | None = None

    @property
    def limited(self) -> bool:
        return not self.usage.allowed


def enter(
    subject: str,
    *,
    session: str | None,
    issued_at: int,
    cost: int = 1,
    place: Place | None = None,
    beside: tuple[str, str] | None = None,
) -> Verdict:
    """Counts one call of `subject` under the policy `user`, and `beside` (policy, who), and tells all that Redis knows
    of him, and of `place`.
    """
    rate = settings.RATE_LIMITS["user"]
    denied = _key(subject, "denied")
    keys = [
        _key(subject, "user"),
        denied,
        _key(subject, f"denied:{session}") if session else denied,
        _key(subject, "wrote"),
    ]
    commands = [_ENTER.on(keys, [rate.limit, rate.window * 1000, cost, issued_at, marks.LEFT]), memory.ASK]
    look = None if place is None or redis.lately_back() else Look(place)
    if look is not None:
        commands.append(look.command())
    if beside is not None:
        commands.append(_counting(*beside, settings.RATE_LIMITS[beside[0]], 1))
    try:
        answer, remembered, *more = redis.beside(commands)
        known = memory.of(remembered, int(answer[6]))
        if look is not None:
            look.take(known, more[0])
    except Unavailable:
        usage = _without_redis("user", rate, subject, cost)
        counted = None if beside is None else count(*beside)
        return _let_in(
            Verdict(denied=False, wrote=(), writing=(), usage=usage, redis_down=True, unsure=True, beside=counted)
        )
    xids = [_xid(raw) for raw in answer[1]]
    verdict = Verdict(
        denied=answer[0] == 1,
        wrote=tuple(xid for xid in xids if xid >= 0),
        writing=tuple(-xid for xid in xids if xid < 0),
        usage=_usage("user", subject, rate, answer[2:6]),
        unsure=known.young or redis.lately_back(),
        look=look,
        beside=None if beside is None else _usage(*beside, settings.RATE_LIMITS[beside[0]], more[-1]),
    )
    return _let_in(verdict)


def _let_in(verdict: Verdict) -> Verdict:
    """Who is not let in does nothing that would count beside."""
    if verdict.beside is not None and (verdict.denied or verdict.limited):
        refund(verdict.beside)
    return verdict


def count(policy: str, who: str, cost: int = 1) -> Usage:
    """Counts one call of `who` (an address, a task) under `policy`."""
    rate = settings.RATE_LIMITS[policy]
    try:
        answer = redis.run(_counting(policy, who, rate, cost))
    except Unavailable:
        return _without_redis(policy, rate, who, cost)
    return _usage(policy, who, rate, answer)


def count_each(policy: str, whos: Sequence[str]) -> list[Usage]:
    """`count` for each of them, in their order and in one round trip; one may stand there more than once."""
    rate = settings.RATE_LIMITS[policy]
    try:
        answers = redis.together([_counting(policy, who, rate, 1) for who in whos])
    except Unavailable:
        # Redis may have refused one of them only: the others, counted once more, still keep to the quota.
        return [count(policy, who) for who in whos]
    return [_usage(policy, who, rate, answer) for who, answer in zip(whos, answers, strict=True)]


def _counting(policy: str, who: str, rate: Rate, cost: int) -> Command:
    return _COUNT.on([_key(who, policy)], [rate.limit, rate.window * 1000, cost])


def refund(usage: Usage) -> Usage:
    """Takes an admitted call back: it turned out to cost nothing."""
    if usage.slot is None:
        local_window.refund(f"{usage.policy}:{usage.who}")
    else:
        try:
            redis.run(_REFUND.on([_key(usage.who, usage.policy)], [usage.slot]))
        except Unavailable:
            return usage
    return usage._replace(remaining=min(usage.rate.limit, usage.remaining + 1))


def _xid(raw: bytes) -> int:
    """Junk counts as a write that no replica has seen: the primary is asked."""
    try:
        return int(raw)
    except ValueError:
        return 2**63 - 1


def _usage(policy: str, who: str, rate: Rate, answer: Any) -> Usage:
    allowed, remaining, reset, slot = answer
    return Usage(policy, who, rate, allowed == 1, int(remaining), math.ceil(int(reset) / 1000), slot.decode())


def _without_redis(policy: str, rate: Rate, who: str, cost: int) -> Usage:
    share = Rate(max(1, rate.limit // settings.API_PROCESSES), rate.window)
    allowed, remaining, reset = local_window.hit(f"{policy}:{who}", share, cost)
    return Usage(policy, who, share, allowed, remaining, reset)


def remember_write(subject: str, xid: int) -> None:
    """Makes this principal's next reads see transaction `xid`; without Redis they read the primary anyway."""
    with contextlib.suppress(Unavailable):
        redis.run(marks.remember(subject, xid))


def deny_session(subject: str, session: str, seconds: int) -> bool:
    """Refuses the tokens of one session; False when only the copy in PostgreSQL knows of it."""
    return _best_effort("SET", _key(subject, f"denied:{session}"), 1, "EX", seconds)


def deny_issued_before(subject: str, epoch: int, seconds: int) -> bool:
    """Refuses all tokens of `subject` that were issued at or before `epoch` (Keycloak's `iat`, whole seconds)."""
    return _best_effort("SET", _key(subject, "denied"), epoch, "EX", seconds)


def _best_effort(*command: str | int) -> bool:
    try:
        call(*command)
    except Unavailable:
        return False
    return True
