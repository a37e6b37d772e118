"""/v1/users: oversight of users for the permission users:admin, written through to Keycloak."""

from typing import Any, ClassVar

import orjson
from django.db.models import QuerySet
from django.http import HttpResponse
from rest_framework.request import Request

from accounts.api import serializers
from accounts.api.schema import USER_OPERATIONS
from accounts.models import User
from accounts.services import directory
from accounts.services.directory import Profile
from config.api import pagination
from config.api.answers import Answer
from config.api.idempotency import perform
from config.api.views import ApiViewSet
from config.data import reading, times, transactions


@USER_OPERATIONS
class UserViewSet(ApiViewSet):
    required: ClassVar = dict.fromkeys(
        ("list", "retrieve", "partial_update", "roles", "sign_out"),
        "users:admin",
    )
    parameters: ClassVar = {"list": pagination.NAMES | {"username", "role"}}

    def list(self, request: Request) -> HttpResponse:
        """Users who have called or were named here, by id."""
        found = _filtered(request.query_params)

        def fetch(position: list[Any] | None, size: int) -> list[User]:
            rows = found if position is None else found.filter(pk__gt=position[0])
            return list(rows[: size + 1])

        return pagination.page(request, "users", fetch, lambda user: [user.pk], lambda user: render(Profile.of(user)))

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
            "last_seen_at": seen and times.rfc3339(seen),
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
    return Answer(200, render(profile), xid=transactions.current_id())
