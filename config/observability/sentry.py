"""Errors go to Sentry where SENTRY_DSN is set; nothing personal and no credential goes along.

Every error is a log record with its traceback already, so Sentry listens to those alone. Its integrations for Django
and Celery would wrap each request and job, and hand over what was sent.
"""

import logging
from typing import TYPE_CHECKING, cast

import sentry_sdk
from django.conf import settings
from sentry_sdk.integrations.atexit import AtexitIntegration
from sentry_sdk.integrations.dedupe import DedupeIntegration
from sentry_sdk.integrations.logging import LoggingIntegration

from config.observability import context
from config.observability.scrub import scrub

if TYPE_CHECKING:
    from sentry_sdk.types import Event, Hint


def start() -> None:
    if settings.SENTRY_DSN:
        errors_only = LoggingIntegration(level=None, event_level=logging.ERROR, sentry_logs_level=None)
        sentry_sdk.init(
            dsn=settings.SENTRY_DSN,
            release=f"taskmill@{settings.VERSION}",
            server_name=settings.PART,
            default_integrations=False,
            integrations=[errors_only, DedupeIntegration(), AtexitIntegration(lambda pending, seconds: None)],
            include_local_variables=False,  # they hold tasks and tokens; who calls is not told by default
            shutdown_timeout=2,
            before_send=without_secrets,
        )


def without_secrets(event: "Event", hint: "Hint") -> "Event":
    """The event with the ids that find it in the logs, and with the same cleaning that a log line gets."""
    ids = {
        "request_id": context.request_id.get(),
        "trace_id": context.trace_id(),
        "user_id": context.user_id.get(),
    }
    tags = {name: value for name, value in ids.items() if value}
    # A value that stands alone shows by nothing that it is secret; in the finished text it does.
    said = {name: value for name, value in event.get("logentry", {}).items() if name != "params"}
    return cast("Event", _clean({**event, "tags": tags, "logentry": said}))


def _clean(value: object) -> object:
    if isinstance(value, str):
        return scrub(value.encode("utf-8", "backslashreplace")).decode()
    if isinstance(value, dict):
        return {name: _clean(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(inner) for inner in value]
    return value
