"""What stands before the views: bodies that are not read, answers for pages and for machines."""

from collections.abc import Callable
from typing import cast

from django.conf import settings
from django.core.handlers.exception import convert_exception_to_response
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.module_loading import import_string

from config.api import bodies, problems

Handler = Callable[[HttpRequest], HttpResponseBase]
_API = "/v1/"
_WITHOUT_LENGTH = frozenset({204, 304})  # RFC 9110 §8.6: none at all, or that of the body that was not sent
_PAGES = ("/admin", "/oidc/", "/static/")


class GuardMiddleware:
    """Refuses bodies that no view should have to read. API views do it themselves, after they know the caller."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        problem = None if request.path_info.startswith(_API) else bodies.refusal(request)
        response = problems.respond(problem, request) if problem else self.get_response(request)
        response.headers["X-Content-Type-Options"] = "nosniff"
        if isinstance(response, HttpResponse) and response.status_code not in _WITHOUT_LENGTH:
            response.headers["Content-Length"] = str(len(response.content))
        return response


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
