"""GET /v1/me: who the caller is and what he may do."""

from typing import ClassVar

from django.conf import settings
from rest_framework.request import Request
from rest_framework.response import Response

from config.api.views import ApiViewSet


class MeView(ApiViewSet):
    """Open to every principal: one without any role learns here that he has none."""

    required: ClassVar[dict[str, str | None]] = {"retrieve": None}

    def retrieve(self, request: Request) -> Response:
        me = request.user
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
