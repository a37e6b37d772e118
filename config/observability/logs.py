"""One JSON object a line on standard output, from Django, gunicorn, Celery and our own processes alike.

A formatter of our own on the standard library's logging: it runs once for each request, and a chain of
processors costs several times as much (docs/decisions/0004-own-json-formatter.md).
"""

import logging
import os
import sys
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import islice
from types import TracebackType
from typing import Any

import orjson

from config.observability import context
from config.observability.scrub import scrub

_SECRET_NAMES = frozenset({"authorization", "cookie", "password", "secret", "token", "access_token", "refresh_token"})
_LINE_BREAKS = ((b"\xe2\x80\xa8", b"\\u2028"), (b"\xe2\x80\xa9", b"\\u2029"), (b"\xc2\x85", b"\\u0085"))

# No line tells these, and finding out the caller's source line alone costs a quarter of a line's time.
logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
logging._srcfile = None

_uncaught = logging.getLogger("uncaught")
_PLAIN = logging.makeLogRecord({}).__dict__
_TELLS_OF_REDIS = "django_redis.cache"  # that it does not answer, and goes on: a traceback would say no more
_STANDARD = frozenset(_PLAIN) | {"message", "asctime", "taskName", "color_message"}


class JSONFormatter(logging.Formatter):
    def __init__(self, part: str) -> None:
        super().__init__()
        self.part = part

    def format(self, record: logging.LogRecord) -> str:
        return self.line(record).decode()

    def line(self, record: logging.LogRecord) -> bytes:
        fields = {
            "timestamp": _time(record.created),
            "level": record.levelname.lower(),
            "event": _message(record),
            "logger": record.name,
            "part": self.part,
            "request_id": context.request_id.get(),
            "trace_id": context.trace_id(),
            "user_id": context.user_id.get(),
        }
        # What a call adds stands behind what every record has.
        for name, value in islice(record.__dict__.items(), len(_PLAIN), None):
            if name not in _STANDARD:
                fields[name] = "[secret]" if name.lower() in _SECRET_NAMES else value
        if record.exc_info and record.name == _TELLS_OF_REDIS:
            fields["error"] = repr(record.exc_info[1])
        elif record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return _unbroken(scrub(_dump(fields)))


class LineHandler(logging.Handler):
    """Each line is one write: lines of several processes on one pipe do not mix."""

    formatter: JSONFormatter

    def emit(self, record: logging.LogRecord) -> None:
        try:
            rest = self.formatter.line(record) + b"\n"
            while rest:
                rest = rest[os.write(1, rest) :]
        except OSError:  # a full disk, a reader that is gone
            self.handleError(record)


def tell(logger: logging.Logger, level: int, event: str, fields: Mapping[str, Any]) -> None:
    """`logger.log(level, event, extra=fields)`, for the one line of each call: logging takes half of its time to find
    out what no line tells.
    """
    if logger.isEnabledFor(level):
        record = logging.LogRecord.__new__(logging.LogRecord)
        record.__dict__ = {
            **_PLAIN,
            "name": logger.name,
            "msg": event,
            "levelno": level,
            "levelname": logging.getLevelName(level),
            "created": time.time(),
            **fields,
        }
        logger.handle(record)


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError):  # arguments that do not fit the text: rather odd than lost
        return f"{record.msg} {_text(record.args)}"


_second = (0, "")  # the last one, and its text


def _time(seconds: float) -> str:
    global _second  # noqa: PLW0603 (a tuple is exchanged as a whole, so threads need no lock)
    whole = int(seconds)
    known, text = _second
    if known != whole:
        text = datetime.fromtimestamp(whole, UTC).isoformat()[:-6]
        _second = (whole, text)
    return f"{text}.{int((seconds - whole) * 1000):03d}Z"


def _dump(fields: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(fields, default=str, option=orjson.OPT_NON_STR_KEYS)
    except TypeError:  # a lone surrogate, or a value that orjson refuses: the line matters more than its form
        return orjson.dumps({_text(name): _simple(value) for name, value in fields.items()})


def _simple(value: Any) -> Any:
    fits = value is None or isinstance(value, bool | float) or (isinstance(value, int) and abs(value) < 2**63)
    return value if fits else _text(value)


def _text(value: object) -> str:
    try:
        text = str(value)
    except Exception as error:  # noqa: BLE001 (the value's own code: it must not cost the line)
        text = f"<{type(value).__name__} that raises {type(error).__name__}>"
    return text.encode("utf-8", "backslashreplace").decode()


def _unbroken(line: bytes) -> bytes:
    """No character at which some reader would break the line."""
    if line.isascii():
        return line
    for raw, escaped in _LINE_BREAKS:
        if raw in line:
            line = line.replace(raw, escaped)
    return line


def capture() -> None:
    """Warnings, and errors that nobody catches, become lines too. For processes, not for a person's commands."""
    logging.captureWarnings(True)
    sys.excepthook = _tell_uncaught
    threading.excepthook = lambda info: _uncaught.error("error in a thread", exc_info=info.exc_value)
    sys.unraisablehook = lambda info: _uncaught.error("error in a finalizer", exc_info=info.exc_value)


def _tell_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if not issubclass(kind, KeyboardInterrupt):  # Ctrl-C is no error
        _uncaught.critical("error that ends the process", exc_info=(kind, error, trace))


def logging_config(level: str, part: str) -> dict[str, Any]:
    """For `logging.config.dictConfig`. Third parties are heard from warnings on."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": "config.observability.logs.JSONFormatter", "part": part}},
        "handlers": {"stdout": {"class": "config.observability.logs.LineHandler", "formatter": "json"}},
        "root": {"handlers": ["stdout"], "level": level},
        "loggers": {
            # Each of these says at INFO what the line of the request or the job says already.
            **{
                name: {"level": "WARNING"} for name in ("celery.app.trace", "celery.worker.strategy", "urllib3", "amqp")
            },
            # These bring handlers of their own, which write plain text.
            **{name: {"handlers": [], "propagate": True} for name in ("gunicorn.error", "django.server", "django")},
            "django.request": {"level": "ERROR"},  # 4xx are answers, told by the line of the request
        },
    }
