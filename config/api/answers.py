"""What a write answers."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple
from uuid import UUID

from django.http import HttpResponse

from config.events.log import Unsaved


class Answer(NamedTuple):
    """`xid` is the transaction of the write; None when nothing was written: `perform` finds it out."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = MappingProxyType({})
    xid: int | None = None
    subjects: tuple[UUID, ...] = ()  # what it tells of: a purge of one of them also takes the stored answer
    unsaved: Unsaved | None = None  # what is still to be done before it is true (`settle`)

    def response(self) -> HttpResponse:
        headers = {**self.headers, "Content-Type": "application/json"}
        response = HttpResponse(self.body, status=self.status, headers=headers)
        if not self.body:
            del response.headers["Content-Type"]
        return response
