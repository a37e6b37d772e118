"""GET /v1/me and /v1/me/limits: who the caller is, what he may do, and how often."""

from typing import Any, ClassVar

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.principal import principal
from config.api import client
from config.api.schema import operation, operations
from config.api.views import ApiViewSet
from config.cache import gate
from config.env import Rate


class LimitOut(serializers.Serializer[Any]):
    quota = serializers.IntegerField(help_text="Calls in any window.")
    window = serializers.IntegerField(help_text="Seconds.")


class LimitLeftOut(LimitOut):
    remaining = serializers.IntegerField(help_text="Calls that are left now.")


class LimitsOut(serializers.Serializer[Any]):
    user = LimitLeftOut()
    ip = LimitLeftOut()
    task = LimitLeftOut()


class MeOut(serializers.Serializer[Any]):
    id = serializers.CharField(help_text="The `sub` of the token: what `owner` and `assignee` of a task hold.")
    username = serializers.CharField()
    email = serializers.CharField(allow_blank=True)
    roles = serializers.ListField(child=serializers.CharField())
    permissions = serializers.ListField(child=serializers.CharField())
    limits = serializers.DictField(child=LimitOut(), help_text="By policy.")


@operations(
    retrieve=extend_schema(
        summary="Who am I?",
        description="The caller as this API sees him. Open to every principal, one without any role included.",
        **operation(MeOut),
    )
)
class MeView(ApiViewSet):
    """Open to every principal: one without any role learns here that he has none."""

    required: ClassVar[dict[str, str | None]] = {"retrieve": None}

    def retrieve(self, request: Request) -> Response:
        me = principal(request)
        return Response(
            {
                "id": me.id,
                "username": me.username,
                "email": me.email,
                "roles": sorted(me.roles),
                "permissions": sorted(me.permissions),
                "limits": {
                    policy: {"quota": rate.limit, "window": rate.window}
                    for policy, rate in settings.RATE_LIMITS.items()
                },
            }
        )


@operations(
    retrieve=extend_schema(
        summary="How many calls are left?",
        description="Costs nothing. `task` counts the writes on each task by itself; all are left for another one.",
        **operation(LimitsOut),
    )
)
class LimitsView(ApiViewSet):
    required: ClassVar[dict[str, str | None]] = {"retrieve": None}
    cost = 0  # asked of the authentication, which counts

    def retrieve(self, request: Request) -> Response:
        own: gate.Usage = request._request.usages[0]  # type: ignore[attr-defined]
        address = gate.count("ip", client.address(request._request), cost=0)
        task = settings.RATE_LIMITS["task"]
        return Response(
            {
                "user": _left(own.rate, own.remaining),
                "ip": _left(address.rate, address.remaining),
                "task": _left(task, task.limit),
            }
        )


def _left(rate: Rate, remaining: int) -> dict[str, int]:
    return {"quota": rate.limit, "window": rate.window, "remaining": remaining}
