"""What a call carries along: its request id, its trace and its user, bound for logs, events and jobs.

A trace is told by a `traceparent` (W3C Trace Context): the caller's is continued, otherwise one is made.
"""

import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
traceparent: ContextVar[str | None] = ContextVar("traceparent", default=None)
user_id: ContextVar[str | None] = ContextVar("user_id", default=None)

_VARIABLES = {"request_id": request_id, "traceparent": traceparent, "user_id": user_id}
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")
_TRACE_ID = slice(3, 35)


def new_request_id() -> str:
    # Ids are told to everybody, so they need no secret source, which costs a system call each time.
    return f"{random.getrandbits(128):032x}"


def accept_request_id(raw: str | None) -> str:
    """The caller's id when it is well formed, otherwise a new one."""
    return raw if raw and _REQUEST_ID.fullmatch(raw) else new_request_id()


def new_traceparent() -> str:
    """Of a trace that nobody records: flags 00. No part is ever all zeros, which the standard forbids."""
    return f"00-{random.getrandbits(128) | 1:032x}-{random.getrandbits(64) | 1:016x}-00"


def valid_traceparent(raw: str | None) -> str | None:
    """The caller's trace as version 00, or None: an invalid one is ignored, as the standard demands."""
    if raw and (match := _TRACEPARENT.fullmatch(raw)) and (not raw.startswith("00") or len(raw) == 55):
        return f"00-{match[1]}-{raw[36:52]}-{raw[53:55]}"
    return None


def accept_traceparent(raw: str | None) -> str:
    return valid_traceparent(raw) or new_traceparent()


def trace_id() -> str | None:
    current = traceparent.get()
    return current[_TRACE_ID] if current else None


@contextmanager
def bind(**values: str | None) -> Iterator[None]:
    """Binds `request_id`, `traceparent` or `user_id` for the block."""
    tokens = [(_VARIABLES[name], _VARIABLES[name].set(value)) for name, value in values.items()]
    try:
        yield
    finally:
        for variable, token in reversed(tokens):
            variable.reset(token)
