"""drf-spectacular's settings: what the OpenAPI document says of itself."""

from typing import Any

SETTINGS: dict[str, Any] = {
    "TITLE": "Taskmill",
    "DESCRIPTION": (
        "Create, list, change and complete tasks.\n\n"
        "**Safe to retry**: send an `Idempotency-Key` with a write. **Safe to race**: send `If-Match` with the "
        "version you have seen. **Impossible to misread**: whatever is not understood is refused with a problem "
        "document (RFC 9457) that names it; nothing is ignored or capped silently.\n\n"
        "Every call may bring an `X-Request-Id` (1 to 64 of `A-Za-z0-9._-`; another one is replaced), which the answer "
        "and the logs name, and a `traceparent` (W3C), which is continued. Times are RFC 3339 in UTC with milliseconds."
    ),
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "TAGS": [
        {"name": "tasks", "description": "Create, list, change, complete, delete; restore and history."},
        {"name": "trash", "description": "Deleted tasks, for 30 days."},
        {"name": "exports", "description": "Files of tasks, written by a worker."},
        {"name": "notifications", "description": "The inbox."},
        {"name": "analytics", "description": "Numbers by day."},
        {"name": "me", "description": "The caller, and what he has left."},
        {"name": "users", "description": "User management, written through to Keycloak."},
    ],
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "config.api.finishing.finish",
    ],
    "ENUM_NAME_OVERRIDES": {
        "TaskStatus": "tasks_app.models.Status",
        "TaskPriority": "tasks_app.models.Priority",
    },
    "APPEND_COMPONENTS": {
        "securitySchemes": {
            "keycloak": {
                "type": "http",
                "scheme": "bearer",
                "bearerFormat": "JWT",
                "description": "An access token of the Keycloak realm, with this API in its audience.",
            }
        }
    },
    "SECURITY": [{"keycloak": []}],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {"persistAuthorization": True, "displayRequestDuration": True},
    "REDOC_DIST": "SIDECAR",
}
