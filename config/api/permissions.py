from collections.abc import Mapping

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from config.api.caller import caller
from config.api.problems import Problem

Required = str | tuple[str, ...] | None  # a permission, alternatives of which one is enough, or any principal

OPTIONS = "metadata"  # DRF's name of that action; whoever may call any method of a route may ask which there are


class RequiredPermission(BasePermission):
    """Deny by default: a view names the permission of each action, an action without one is closed.

    Judged from the roles alone, before the body or the object is looked at.
    """

    def has_permission(self, request: Request, view: object) -> bool:
        action = getattr(view, "action", None)
        required: Mapping[str, Required] = getattr(view, "required", {})
        if action is None:
            return True  # no such method here: DRF answers 405
        actions = set(getattr(view, "action_map", {}).values()) if action == OPTIONS else {action}
        permissions = [one for name in sorted(actions) if name in required for one in _alternatives(required[name])]
        if not permissions:
            raise Problem("forbidden", "Nobody may call this.")
        if any(permission is None or caller(request).may(permission) for permission in permissions):
            return True
        raise insufficient_scope(str(permissions[0]))


def _alternatives(required: Required) -> tuple[str | None, ...]:
    return required if isinstance(required, tuple) else (required,)


def insufficient_scope(permission: str, detail: str = "") -> Problem:
    """403 as RFC 6750 §3.1 says it."""
    return Problem(
        "forbidden",
        detail or f"This call needs the permission {permission}; none of your roles holds it.",
        members={"required_permission": permission},
        headers={"WWW-Authenticate": f'Bearer realm="taskmill", error="insufficient_scope", scope="{permission}"'},
    )
