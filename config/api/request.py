"""DRF's request, of which each attribute is looked for once: DRF finds out by exceptions, each time, where it is."""

from typing import Any

from django.http import HttpRequest
from django.utils.functional import cached_property  # Python's own would hold all threads up while one reads
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.parsers import BaseParser
from rest_framework.request import Request

from config.api.bodies import Negotiation


class ApiRequest(Request):
    user: Any = None  # the view's `perform_authentication` finds it out
    negotiator: Negotiation
    parsers: list[BaseParser]

    def __init__(self, plain: HttpRequest, **more: Any) -> None:
        super().__init__(plain, **more)
        self.__dict__.update(method=plain.method, META=plain.META, resolver_match=plain.resolver_match)

    @cached_property
    def data(self) -> Any:
        """The value of the body; without one an empty object."""
        stream = self.stream
        if stream is None:
            return {}
        parser = self.negotiator.select_parser(self, self.parsers)
        if parser is None:
            raise UnsupportedMediaType(self.content_type)
        return parser.parse(stream, self.content_type, self.parser_context)
