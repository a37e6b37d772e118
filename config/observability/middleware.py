"""The outermost middleware: one request id, one trace, one log line and one measurement for each request.

It is on every request's way, hence the plain sets and resets instead of context managers. A call that waits passes
here more than once: it is told at its end, with its whole duration.
"""

import logging
import time
from collections.abc import Callable
from typing import NamedTuple

from django.http import HttpRequest, HttpResponseBase
from opentelemetry.trace import Span, SpanKind

from config.observability import context, logs, metrics, tracing
from config.server import later

logger = logging.getLogger("api")
_QUIET = frozenset({"/livez", "/readyz"})
_CALL = "call"


class _Call(NamedTuple):
    started: float
    request_id: str
    traceparent: str
    span: Span | None


class ObserveMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """`get_response` raises nothing: Django has made an answer of every exception below it."""
        before = later.before(request)
        call = before.kept[_CALL] if before else _begin(request)
        id_before = context.request_id.set(call.request_id)
        trace_before = context.traceparent.set(call.traceparent)
        user_before = context.user_id.set(None)
        metrics.IN_FLIGHT.inc()
        try:
            response = self.get_response(request)
            response.headers["X-Request-Id"] = call.request_id
            if isinstance(response, later.Later):
                response.kept[_CALL] = call
            else:
                _tell(request, response.status_code, time.perf_counter() - call.started, call.span)
        finally:
            metrics.IN_FLIGHT.dec()
            context.user_id.reset(user_before)
            context.traceparent.reset(trace_before)
            context.request_id.reset(id_before)
        return response


def _begin(request: HttpRequest) -> _Call:
    started = time.perf_counter()
    parent = context.valid_traceparent(request.META.get("HTTP_TRACEPARENT"))
    span = tracing.begin(request.method or "unknown", parent, SpanKind.SERVER)
    return _Call(
        started,
        context.accept_request_id(request.META.get("HTTP_X_REQUEST_ID")),
        tracing.mark(span) if span else parent or context.new_traceparent(),
        span,
    )


def _tell(request: HttpRequest, status: int, seconds: float, span: Span | None) -> None:
    # The route, never the path: paths hold ids, and make a time series each.
    match = request.resolver_match
    endpoint = f"/{match.route}" if match else "unknown"
    method = request.method or "unknown"
    metrics.observe_request(method, endpoint, status, seconds)
    fields = {"endpoint": endpoint, "method": method, "status": status, "duration": round(seconds, 6)}
    logs.tell(logger, logging.DEBUG if endpoint in _QUIET else logging.INFO, "request", fields)
    if span:
        _end(span, method, endpoint, status)


def _end(span: Span, method: str, endpoint: str, status: int) -> None:
    """By OpenTelemetry's HTTP conventions: a 4xx is the caller's failure and not the server's."""
    span.update_name(f"{method} {endpoint}")
    attributes: dict[str, str | int] = {
        "http.request.method": method,
        "http.route": endpoint,
        "http.response.status_code": status,
        "request_id": context.request_id.get() or "",
        "user_id": context.user_id.get() or "",
    }
    tracing.end(span, failed=status >= 500, attributes=attributes)
