"""What the OpenAPI document says of /v1/users beyond the code."""

from drf_spectacular.utils import extend_schema

from accounts.api.serializers import UserOut, UserPatch, UserRoles
from config.api.schema import IDEMPOTENCY_KEY, PAGE_PARAMETERS, operation, operations, page_of, parameter

_LIST_PARAMETERS = [
    parameter("username", "Exactly this name."),
    parameter("role", "Users with this role."),
    *PAGE_PARAMETERS,
]

USER_OPERATIONS = operations(
    list=extend_schema(
        summary="List users",
        description="Everybody who has called this API or was changed through it, by id. Needs `users:admin`.",
        parameters=_LIST_PARAMETERS,
        **operation(page_of(UserOut), errors=(400,)),
    ),
    retrieve=extend_schema(
        summary="Get a user",
        description="One who has never called is looked up in Keycloak. Needs `users:admin`.",
        **operation(UserOut, errors=(400, 404)),
    ),
    partial_update=extend_schema(
        summary="Lock a user out, or let him in again",
        description=(
            "Written to Keycloak; locking out ends his sessions and tokens at once. Needs `users:admin`. "
            "The last admin cannot be locked out (409)."
        ),
        request={"application/merge-patch+json": UserPatch, "application/json": UserPatch},
        parameters=[IDEMPOTENCY_KEY],
        **operation(UserOut, errors=(400, 404, 409, 413, 415, 422)),
    ),
    roles=extend_schema(
        summary="Set a user's roles",
        description=(
            "Written to Keycloak. A role that is taken away counts at once: the user's tokens are refused and his "
            "client gets new ones. Roles that this API does not know stay as they are. Needs `users:admin`. "
            "The last admin keeps the role (409)."
        ),
        request=UserRoles,
        parameters=[IDEMPOTENCY_KEY],
        **operation(UserOut, errors=(400, 404, 409, 413, 415, 422)),
    ),
    sign_out=extend_schema(
        summary="Sign a user out everywhere",
        description="Ends his sessions in Keycloak and his tokens here. Needs `users:admin`.",
        request=None,
        parameters=[IDEMPOTENCY_KEY],
        **operation(None, status=204, errors=(400, 404, 409, 422)),
    ),
)
