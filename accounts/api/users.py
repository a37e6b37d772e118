"""/v1/users: oversight of users for the permission users:admin, written through to Keycloak."""

from typing import Any, ClassVar

import orjson
from django.db import connection
from django.db.models import QuerySet
from django.http import HttpResponse
from rest_framework.request import Request

from accounts.api import serializers
from accounts.api.schema import USER_OPERATIONS
from accounts.models import User
from accounts.principal import principal
from accounts.services import directory
from accounts.services.directory import Profile
from config.api import pagination
from config.api.idempotency import Answer, perform
from config.api.views import ApiViewSet
from config.data import reading


@USER_OPERATIONS
class UserViewSet(ApiViewSet):
    required: ClassVar = dict.fromkeys(
        ("list", "retrieve", "partial_update", "roles", "sign_out"),
        "users:admin",
    )
    parameters: ClassVar = {"list": pagination.NAMES | {"username", "role"}}

    def list(self, request: Request) -> HttpResponse:
        """Users who have called or were named here, by id."""
        query, caller = request.query_params, principal(request)
        size, kind = pagination.page_size(query), pagination.kind("users", query)
        found = _filtered(query)
        position = pagination.position(caller.id, kind, query)
        if position is not None:
            found = found.filter(pk__gt=position[0])
        rows = reading.read(lambda: list(found[: size + 1]))
        more = len(rows) > size
        next_cursor = pagination.encode(caller.id, kind, [rows[size - 1].pk]) if more else None
        return pagination.respond(request._request, [render(Profile.of(user)) for user in rows[:size]], next_cursor)

    def retrieve(self, request: Request, id: str) -> HttpResponse:
        return HttpResponse(render(reading.read(lambda: directory.find(id))), content_type="application/json")

    def partial_update(self, request: Request, id: str) -> HttpResponse:
        fields = serializers.PATCH.run_validation(request.data)
        return perform(request, lambda locked: _answer(directory.set_enabled(id, fields["enabled"])))

    def roles(self, request: Request, id: str) -> HttpResponse:
        fields = serializers.ROLES.run_validation(request.data)
        return perform(request, lambda locked: _answer(directory.set_roles(id, set(fields["roles"]))))

    def sign_out(self, request: Request, id: str) -> HttpResponse:
        def write(locked: bool) -> Answer:
            directory.sign_out(id)
            return Answer(204)

        return perform(request, write)


def render(profile: Profile) -> bytes:
    seen = profile.last_seen_at
    return orjson.dumps(
        {
            "id": profile.id,
            "username": profile.username,
            "email": profile.email,
            "roles": sorted(profile.roles),
            "enabled": profile.enabled,
            "last_seen_at": seen and f"{seen:%Y-%m-%dT%H:%M:%S}.{seen.microsecond // 1000:03}Z",
        }
    )


def _filtered(query: Any) -> QuerySet[User]:
    found = User.objects.prefetch_related("groups").order_by("pk")
    if "username" in query:
        found = found.filter(username=query["username"])
    if "role" in query:
        found = found.filter(groups__name=query["role"])
    return found


def _answer(profile: Profile) -> Answer:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id()::text")
        xid = int(cursor.fetchone()[0])
    return Answer(200, render(profile), xid=xid)
