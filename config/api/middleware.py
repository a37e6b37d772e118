"""What stands before the views: bodies that are not read, answers for pages and for machines."""

from collections.abc import Callable
from typing import cast

from django.conf import settings
from django.core.handlers.exception import convert_exception_to_response
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.module_loading import import_string

from config.api import problems
from config.api.problems import Problem

Handler = Callable[[HttpRequest], HttpResponseBase]
_PAGES = ("/admin", "/oidc/", "/static/")


class GuardMiddleware:
    """Refuses what no view should have to read, before anything is parsed or counted."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        problem = self._refusal(request)
        response = problems.respond(problem, request) if problem else self.get_response(request)
        response.headers["X-Content-Type-Options"] = "nosniff"
        if isinstance(response, HttpResponse):
            response.headers["Content-Length"] = str(len(response.content))
        return response

    def _refusal(self, request: HttpRequest) -> Problem | None:
        meta = request.META
        if "HTTP_TRANSFER_ENCODING" in meta:
            return Problem("length-required")
        length = meta.get("CONTENT_LENGTH") or "0"
        if not (length.isascii() and length.isdigit()):
            return Problem("bad-request", "Content-Length is not a number.")
        if int(length) > settings.MAX_BODY_BYTES:
            return Problem("too-large", members={"limit": settings.MAX_BODY_BYTES})
        if meta.get("HTTP_CONTENT_ENCODING", "identity") != "identity":
            return Problem("unsupported-media-type", "Send the body without a Content-Encoding.")
        return None


class PagesMiddleware:
    """Sessions, CSRF, messages and static files, for pages only: an API call does not pay for them."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response
        self.pages = get_response
        self._view_hooks: list[Callable[..., HttpResponseBase | None]] = []
        for path in reversed(settings.PAGES_MIDDLEWARE):
            middleware = import_string(path)(self.pages)
            if hasattr(middleware, "process_view"):
                self._view_hooks.insert(0, middleware.process_view)
            self.pages = cast(Handler, convert_exception_to_response(middleware))

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.pages(request) if _is_page(request) else self.get_response(request)

    def process_view(self, request: HttpRequest, view: object, args: object, kwargs: object) -> HttpResponseBase | None:
        if _is_page(request):
            for hook in self._view_hooks:
                response = hook(request, view, args, kwargs)
                if response is not None:
                    return response
        return None


def _is_page(request: HttpRequest) -> bool:
    return request.path_info.startswith(_PAGES)
