"""The outermost middleware: the request id."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase

from config.observability import context


class ObserveMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        identifier = context.accept_request_id(request.headers.get("X-Request-Id"))
        with context.bind(request_id=identifier):
            response = self.get_response(request)
        response.headers["X-Request-Id"] = identifier
        return response
