"""The WSGI application: `gunicorn -c config/gunicorn.py config.wsgi`."""

import os
from typing import Any

from django.core.handlers.wsgi import WSGIRequest
from django.core.wsgi import get_wsgi_application
from django.utils.http import parse_header_parameters

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


application = get_wsgi_application()
application.request_class = Request
