"""/v1/exports: ask, look, download, cancel. Nobody but the owner knows of an export."""

from typing import Any, ClassVar
from uuid import UUID

import orjson
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from accounts.principal import principal
from config.api import bodies, pagination
from config.api.answers import Answer
from config.api.idempotency import perform
from config.api.problems import Problem
from config.api.schema import IDEMPOTENCY_KEY, PAGE_PARAMETERS, binary, operation, operations, page_of
from config.api.views import ApiViewSet
from config.data import reading, transactions
from exports.api import serializers
from exports.api.download import file_response
from exports.api.serializers import ExportCreate, ExportOut
from exports.models import Export, Status
from exports.services import requests
from tasks_app.representation import plain

FIELDS = ("id", "format", "filter", "status", "progress", "rows", "bytes", "error", "created_at", "expires_at")


@operations(
    list=extend_schema(
        summary="List exports",
        description="Your own, newest first. Needs `tasks:read`.",
        parameters=PAGE_PARAMETERS,
        **operation(page_of(ExportOut), errors=(400,)),
    ),
    create=extend_schema(
        summary="Export tasks",
        description=(
            f"A worker writes the file; at most {requests.MOST_UNFINISHED} unfinished ones. Needs `tasks:read`. In "
            "CSV a cell that a spreadsheet could take for a formula, or that begins with an apostrophe, begins with "
            "one apostrophe more."
        ),
        request=ExportCreate,
        parameters=[IDEMPOTENCY_KEY],
        **operation(ExportOut, status=202, errors=(400, 409, 410, 413, 415, 422)),
    ),
    retrieve=extend_schema(
        summary="Get an export",
        description="Its state and progress. Needs `tasks:read`.",
        **operation(ExportOut, errors=(404,)),
    ),
    destroy=extend_schema(
        summary="Cancel or remove an export",
        description="Cancels an unfinished one, removes any other with its file. Needs `tasks:read`.",
        request=None,
        parameters=[IDEMPOTENCY_KEY],
        **operation(None, status=204, errors=(400, 404, 409, 422)),
    ),
    file=extend_schema(
        summary="Download the file",
        description="`Range` works. 409 before it is completed, 410 after it has expired. Needs `tasks:read`.",
        **binary("text/csv", "application/x-ndjson", errors=(404, 409, 410, 416)),
    ),
)
class ExportViewSet(ApiViewSet):
    required: ClassVar = dict.fromkeys(("list", "create", "retrieve", "destroy", "file"), "tasks:read")
    parameters: ClassVar = {"list": pagination.NAMES}

    def list(self, request: Request) -> HttpResponse:
        found = Export.objects.filter(owner=principal(request).id).order_by("-id")

        def fetch(position: list[Any] | None, size: int) -> list[Export]:
            rows = found if position is None else found.filter(id__lt=position[0])
            return list(rows[: size + 1])

        return pagination.page(request, "exports", fetch, lambda export: [str(export.id)], _render)

    def create(self, request: Request) -> HttpResponse:
        caller = principal(request)
        fields = serializers.CREATE.run_validation(bodies.of(request))
        filter_ = fields.get("filter", {})
        requests.check_filter(filter_, caller)

        def write(locked: bool) -> Answer:
            export, xid = requests.request(principal=caller, format_=fields["format"], filter_=filter_)
            return Answer(202, _render(export), {"Location": f"/v1/exports/{export.id}"}, xid, (export.id,))

        return perform(request, write)

    def retrieve(self, request: Request, id: UUID) -> HttpResponse:
        export = reading.read(lambda: requests.own(principal(request), id))
        return HttpResponse(_render(export), content_type="application/json")

    def destroy(self, request: Request, id: UUID) -> HttpResponse:
        def write(locked: bool) -> Answer:
            requests.remove(principal=principal(request), export=id)
            return Answer(204, xid=transactions.current_id())

        return perform(request, write)

    def file(self, request: Request, id: UUID) -> HttpResponseBase:
        export = reading.read(lambda: requests.own(principal(request), id))
        if export.state not in {Status.COMPLETED, Status.EXPIRED}:
            reading.demand_primary()  # a replica may not know yet what another one has told
            export = requests.own(principal(request), id)
        if export.state == Status.EXPIRED:
            raise Problem("gone", "The file has expired: make a new export.")
        if export.state != Status.COMPLETED:
            raise Problem("conflict", f"The export is {export.state}: there is no file.")
        return file_response(request._request, export)


def _render(export: Export) -> bytes:
    values = {name: plain(getattr(export, name)) for name in FIELDS}
    return orjson.dumps({**values, "status": export.state, "error": export.error or None})
