"""One JSON object a line on standard output, from Django, gunicorn, Celery and our own processes alike.

A formatter of our own on the standard library's logging: it runs once for each request, and a chain of
processors costs several times as much (docs/decisions/0004-own-json-formatter.md).
"""

import logging
import re
from datetime import UTC, datetime
from typing import Any

import orjson

from config.observability import context

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}
_SECRET_NAMES = frozenset({"authorization", "cookie", "password", "secret", "token", "access_token", "refresh_token"})
_TOKEN = re.compile(rb"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_.-]*")
_DSN_PASSWORD = re.compile(rb"(://[^:/@\s\"]*):[^@/\s\"]+@")
_LINE_BREAKS = ((b"\xe2\x80\xa8", b"\\u2028"), (b"\xe2\x80\xa9", b"\\u2029"), (b"\xc2\x85", b"\\u0085"))


class JSONFormatter(logging.Formatter):
    def __init__(self, part: str) -> None:
        super().__init__()
        self.part = part

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "timestamp": _time(record.created),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            "logger": record.name,
            "part": self.part,
            "request_id": context.request_id.get(),
            "trace_id": context.trace_id(),
            "user_id": context.user_id.get(),
        }
        for name, value in record.__dict__.items():
            if name not in _STANDARD:
                line[name] = "[secret]" if name.lower() in _SECRET_NAMES else value
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return _clean(_dump(line)).decode()


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def _dump(line: dict[str, Any]) -> bytes:
    options = orjson.OPT_NON_STR_KEYS
    try:
        return orjson.dumps(line, default=str, option=options)
    except TypeError:  # a lone surrogate, or a value that orjson refuses: the line matters more than its form
        texts = {name: str(value).encode("utf-8", "backslashreplace").decode() for name, value in line.items()}
        return orjson.dumps(texts)


def _clean(line: bytes) -> bytes:
    """No secret, and no character at which some reader would break the line."""
    if b"eyJ" in line:
        line = _TOKEN.sub(b"[token]", line)
    if b"://" in line:
        line = _DSN_PASSWORD.sub(rb"\1:[secret]@", line)
    for raw, escaped in _LINE_BREAKS:
        if raw in line:
            line = line.replace(raw, escaped)
    return line


def logging_config(level: str, part: str) -> dict[str, Any]:
    """For `logging.config.dictConfig`. Third parties are heard from warnings on."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": "config.observability.logs.JSONFormatter", "part": part}},
        "handlers": {"stdout": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout", "formatter": "json"}},
        "root": {"handlers": ["stdout"], "level": level},
        "loggers": {
            # Each of these says at INFO what the line of the request or the job says already.
            **{
                name: {"level": "WARNING"} for name in ("celery.app.trace", "celery.worker.strategy", "urllib3", "amqp")
            },
            # These bring handlers of their own, which write plain text.
            **{name: {"handlers": [], "propagate": True} for name in ("gunicorn.error", "django.server", "django")},
            "django.request": {"level": "ERROR"},  # 4xx are answers, told by the line of the request
            "py.warnings": {"level": "ERROR"},
        },
    }
