"""/v1/tasks/counts: how many of one's own tasks there are in each status."""

from typing import ClassVar

import orjson
from django.http import HttpResponse
from rest_framework.request import Request

from accounts.principal import principal
from config.api.views import ApiViewSet
from config.data import reading
from tasks_app.api.schema import COUNTS_OPERATIONS
from tasks_app.services import counts


@COUNTS_OPERATIONS
class CountsViewSet(ApiViewSet):
    required: ClassVar = {"counts": "tasks:read"}

    def counts(self, request: Request) -> HttpResponse:
        owner = principal(request).id
        return HttpResponse(orjson.dumps(reading.read(lambda: counts.of(owner))), content_type="application/json")
