"""/v1/analytics: own numbers, or everybody's with the permission tasks:admin."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any, ClassVar

from django.http import QueryDict
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.principal import Principal, principal
from analytics.services import rollups
from analytics.services import summary as summaries
from config.api import parameters
from config.api.permissions import insufficient_scope
from config.api.schema import operation, operations, parameter
from config.api.views import ApiViewSet
from config.data import reading

MOST_DAYS = 366
DEFAULT_DAYS = 30
NAMES = frozenset({"from", "to", "owner"})
_FIRST = date(1970, 1, 1)  # no id is older
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class DayOut(serializers.Serializer[Any]):
    date = serializers.DateField(help_text="In UTC.")
    created = serializers.IntegerField()
    completed = serializers.IntegerField()
    deleted = serializers.IntegerField()


class DailyOut(serializers.Serializer[Any]):
    results = DayOut(many=True)
    next_cursor = serializers.CharField(allow_null=True, help_text="Always null: a range is answered whole.")


class TimesOut(serializers.Serializer[Any]):
    count = serializers.IntegerField(help_text="Tasks that were looked at.")
    p50 = serializers.FloatField(allow_null=True, help_text="Seconds that half of them took at most; null without any.")
    p95 = serializers.FloatField(allow_null=True, help_text="Seconds that 95 in 100 of them took at most.")


class SummaryOut(serializers.Serializer[Any]):
    to = serializers.DateField()
    created = serializers.IntegerField()
    completed = serializers.IntegerField()
    deleted = serializers.IntegerField()
    completion_seconds = TimesOut(help_text="From creation to completion, of tasks created in the range.")

    def get_fields(self) -> Any:
        return {"from": serializers.DateField(), **super().get_fields()}  # `from` cannot be an attribute


_PARAMETERS = [
    parameter("from", f"First UTC day; {DEFAULT_DAYS} days before the last by default.", OpenApiTypes.DATE),
    parameter("to", f"Last UTC day, today by default; at most {MOST_DAYS} days.", OpenApiTypes.DATE),
    parameter("owner", "`me` (default); another user id or `any` with the permission tasks:admin."),
]


@operations(
    daily=extend_schema(
        summary="Numbers by day",
        description="Tasks created, completed and deleted on each UTC day. Needs `tasks:read`.",
        parameters=_PARAMETERS,
        **operation(DailyOut, errors=(400,)),
    ),
    summary=extend_schema(
        summary="Totals and completion times",
        description=f"Percentiles over the completed among the newest {summaries.SAMPLE} tasks. Needs `tasks:read`.",
        parameters=_PARAMETERS,
        **operation(SummaryOut, errors=(400,)),
    ),
)
class AnalyticsViewSet(ApiViewSet):
    required: ClassVar = {"daily": "tasks:read", "summary": "tasks:read"}
    parameters: ClassVar = {"daily": NAMES, "summary": NAMES}

    def daily(self, request: Request) -> Response:
        owner, (first, last) = _owner(request), _range(request.query_params)
        days = reading.read(lambda: rollups.daily(owner, first, last))
        return Response({"results": days, "next_cursor": None})

    def summary(self, request: Request) -> Response:
        owner, (first, last) = _owner(request), _range(request.query_params)
        return Response(reading.read(lambda: summaries.summary(owner, first, last)))


def _owner(request: Request) -> str | None:
    """Whose numbers; None for everybody's."""
    caller: Principal = principal(request)
    owner = request.query_params.get("owner", "me")
    if owner in {"me", caller.id}:
        return caller.id
    if not caller.may("tasks:admin"):
        raise insufficient_scope("tasks:admin", "Only tasks:admin may see the numbers of others.")
    if not 0 < len(owner) <= 255:
        raise parameters.error("owner", "expected `me`, `any` or a user id.")
    return None if owner == "any" else owner


def _range(query: QueryDict) -> tuple[date, date]:
    last = parameters.one(query, "to", _day, "a day such as 2026-01-31") or datetime.now(UTC).date()
    first = parameters.one(query, "from", _day, "a day such as 2026-01-01")
    if first is None:
        first = max(_FIRST, last - timedelta(days=DEFAULT_DAYS - 1))
    if first > last:
        raise parameters.error("from", "is after `to`.")
    if (last - first).days >= MOST_DAYS:
        raise parameters.error("from", f"a range may have at most {MOST_DAYS} days.")
    return first, last


def _day(raw: str) -> date:
    if _DAY.fullmatch(raw) is None:  # `fromisoformat` takes weeks too
        raise ValueError(raw)
    day = date.fromisoformat(raw)
    if not _FIRST <= day <= date(9000, 12, 31):
        raise ValueError(raw)
    return day
