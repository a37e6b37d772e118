"""Logging configuration: one JSON object a line."""

from typing import Any


def logging_config(level: str, part: str) -> dict[str, Any]:
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {"stdout": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout"}},
        "root": {"handlers": ["stdout"], "level": level},
    }
