"""What a call carries along: its request id and trace, bound for logs, events and jobs."""

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
traceparent: ContextVar[str | None] = ContextVar("traceparent", default=None)
user_id: ContextVar[str | None] = ContextVar("user_id", default=None)

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


def new_request_id() -> str:
    return secrets.token_hex(16)


def accept_request_id(raw: str | None) -> str:
    """The caller's id when it is well formed, otherwise a new one."""
    return raw if raw and _REQUEST_ID.fullmatch(raw) else new_request_id()


@contextmanager
def bind(**values: str | None) -> Iterator[None]:
    """Binds `request_id`, `traceparent` or `user_id` for the block."""
    variables = {"request_id": request_id, "traceparent": traceparent, "user_id": user_id}
    tokens = [(variables[name], variables[name].set(value)) for name, value in values.items()]
    try:
        yield
    finally:
        for variable, token in reversed(tokens):
            variable.reset(token)
