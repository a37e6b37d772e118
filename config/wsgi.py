"""The WSGI application: `gunicorn -c config/gunicorn.py config.wsgi`."""

import os
from functools import lru_cache
from typing import Any

import django
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.http import HttpRequest, HttpResponse
from django.urls import ResolverMatch, resolve
from django.utils.http import parse_header_parameters
from django.utils.log import log_response

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")


class Request(WSGIRequest):
    def _set_content_type_params(self, meta: dict[str, Any]) -> None:
        """Everything is UTF-8 here, whatever `charset` a Content-Type names.

        Django would read the query by it too, with any codec that Python has, and where that fails (`rot13`) or the
        query has too many parts, it would fail before there is a handler that could answer.
        """
        try:
            self.content_type, self.content_params = parse_header_parameters(meta.get("CONTENT_TYPE", ""))
        except (ValueError, TypeError):  # parameters that contradict each other: taken as no media type at all
            self.content_type, self.content_params = "", {}
            meta["CONTENT_TYPE"] = ""


class Handler(WSGIHandler):
    request_class = Request

    def resolve_request(self, request: HttpRequest) -> ResolverMatch:
        """Django's own, which tries one pattern after the other: most calls have one of a few paths."""
        request.resolver_match = match = _resolved(request.path_info)
        return match

    def get_response(self, request: HttpRequest) -> HttpResponse:
        """Django's own, which names the URLs anew for each call's thread: here there is one set of them."""
        response: HttpResponse = self._middleware_chain(request)  # type: ignore[attr-defined]
        response._resource_closers.append(request.close)  # type: ignore[attr-defined]
        if response.status_code >= 500:
            log_response("%s: %s", response.reason_phrase, request.path, response=response, request=request)
        return response


@lru_cache(1_000)
def _resolved(path: str) -> ResolverMatch:
    return resolve(path)


django.setup(set_prefix=False)
application = Handler()
