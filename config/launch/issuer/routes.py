"""Which function answers which address; the addresses are Keycloak's."""

import re
from collections.abc import Callable

from config.launch.issuer import account, admin_roles, admin_sessions, admin_users, grants, login, logout
from config.launch.issuer.core import Issuer
from config.launch.issuer.web import Refusal, Request, Response

_OIDC = "/realms/{realm}/protocol/openid-connect"
_ADMIN = "/admin/realms/{realm}"
_ROUTES: list[tuple[str, str, Callable[..., Response]]] = [
    ("GET", "/realms/{realm}", account.about),
    ("GET", "/realms/{realm}/.well-known/openid-configuration", account.discovery),
    ("GET", f"{_OIDC}/certs", account.certs),
    ("GET", f"{_OIDC}/auth", login.authorize),
    ("POST", f"{_OIDC}/auth", login.authorize),
    ("POST", "/realms/{realm}/login-actions/authenticate", login.log_in),
    ("POST", f"{_OIDC}/token", grants.token),
    ("POST", f"{_OIDC}/token/introspect", account.introspect),
    ("POST", f"{_OIDC}/revoke", account.revoke),
    ("GET", f"{_OIDC}/userinfo", account.userinfo),
    ("POST", f"{_OIDC}/userinfo", account.userinfo),
    ("GET", f"{_OIDC}/logout", logout.end_session),
    ("POST", f"{_OIDC}/logout", logout.end_session),
    ("GET", f"{_ADMIN}/users", admin_users.list_users),
    ("POST", f"{_ADMIN}/users", admin_users.create_user),
    ("GET", f"{_ADMIN}/users/count", admin_users.count_users),
    ("GET", f"{_ADMIN}/users/*", admin_users.get_user),
    ("PUT", f"{_ADMIN}/users/*", admin_users.change_user),
    ("DELETE", f"{_ADMIN}/users/*", admin_users.delete_user),
    ("PUT", f"{_ADMIN}/users/*/reset-password", admin_users.reset_password),
    ("POST", f"{_ADMIN}/users/*/logout", admin_sessions.log_user_out),
    ("GET", f"{_ADMIN}/users/*/sessions", admin_sessions.list_sessions),
    ("GET", f"{_ADMIN}/users/*/role-mappings/realm", admin_roles.user_roles),
    ("GET", f"{_ADMIN}/users/*/role-mappings/realm/composite", admin_roles.user_roles),
    ("GET", f"{_ADMIN}/users/*/role-mappings/realm/available", admin_roles.available_roles),
    ("POST", f"{_ADMIN}/users/*/role-mappings/realm", admin_roles.add_roles),
    ("DELETE", f"{_ADMIN}/users/*/role-mappings/realm", admin_roles.remove_roles),
    ("DELETE", f"{_ADMIN}/sessions/*", admin_sessions.delete_session),
    ("GET", f"{_ADMIN}/roles", admin_roles.list_roles),
    ("GET", f"{_ADMIN}/roles/*", admin_roles.get_role),
    ("GET", f"{_ADMIN}/roles/*/users", admin_roles.role_users),
    ("GET", f"{_ADMIN}/admin-events", admin_sessions.admin_events),
    ("GET", f"{_ADMIN}/events", admin_sessions.user_events),
]


class Router:
    def __init__(self, issuer: Issuer) -> None:
        self._issuer = issuer
        self._routes = [(method, _pattern(path, issuer.realm.name), action) for method, path, action in _ROUTES]

    def answer(self, request: Request) -> Response:
        allowed = set()
        for method, pattern, action in self._routes:
            if match := pattern.fullmatch(request.path):
                if method == request.method:
                    return action(self._issuer, request, *match.groups())
                allowed.add(method)
        if allowed:
            raise Refusal(405, "HTTP 405 Method Not Allowed")
        raise Refusal(404, "Unable to find matching target resource method")


def _pattern(path: str, realm: str) -> re.Pattern[str]:
    """A star stands for one part of the path."""
    return re.compile(re.escape(path.format(realm=realm)).replace(r"\*", "([^/]+)"))
