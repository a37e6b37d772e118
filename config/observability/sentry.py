"""Errors go to Sentry where SENTRY_DSN is set; nothing personal and no credential goes along."""

from typing import TYPE_CHECKING

import sentry_sdk
from django.conf import settings
from sentry_sdk.integrations.celery import CeleryIntegration
from sentry_sdk.integrations.django import DjangoIntegration

if TYPE_CHECKING:
    from sentry_sdk.types import Event, Hint

_CREDENTIALS = frozenset({"authorization", "cookie", "idempotency-key", "consistency-token"})


def start() -> None:
    if settings.SENTRY_DSN:
        sentry_sdk.init(
            dsn=settings.SENTRY_DSN,
            release=f"taskmill@{settings.VERSION}",
            server_name=settings.PART,
            integrations=[DjangoIntegration(), CeleryIntegration()],
            send_default_pii=False,
            max_request_body_size="never",
            before_send=without_credentials,
        )


def without_credentials(event: "Event", hint: "Hint") -> "Event":
    request = event.get("request", {})
    request.pop("cookies", None)
    headers: dict[str, str] = request.get("headers") or {}  # type: ignore[assignment]
    request["headers"] = {name: value for name, value in headers.items() if name.lower() not in _CREDENTIALS}
    return event
