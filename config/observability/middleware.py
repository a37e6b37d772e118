"""The outermost middleware: one request id, one trace, one log line and one measurement for each request."""

import logging
import time
from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase

from config.observability import context, metrics

logger = logging.getLogger("api")
_QUIET = frozenset({"/livez", "/readyz"})


class ObserveMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        started = time.perf_counter()
        request_id = context.accept_request_id(request.META.get("HTTP_X_REQUEST_ID"))
        traceparent = context.accept_traceparent(request.META.get("HTTP_TRACEPARENT"))
        with context.bind(request_id=request_id, traceparent=traceparent, user_id=None), metrics.in_flight():
            response = self.get_response(request)
            response.headers["X-Request-Id"] = request_id
            _tell(request, response.status_code, time.perf_counter() - started)
        return response


def _tell(request: HttpRequest, status: int, seconds: float) -> None:
    # The route, never the path: paths hold ids, and make a time series each.
    match = request.resolver_match
    endpoint = f"/{match.route}" if match else "unknown"
    method = request.method or "unknown"
    metrics.observe_request(method, endpoint, status, seconds)
    logger.log(
        logging.DEBUG if endpoint in _QUIET else logging.INFO,
        "request",
        extra={"endpoint": endpoint, "method": method, "status": status, "duration": round(seconds, 6)},
    )
