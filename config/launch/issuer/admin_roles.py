"""Realm roles over the admin API: which there are, who has them, giving and taking."""

from config.launch.issuer.admin_access import Call, needs
from config.launch.issuer.admin_users import representation
from config.launch.issuer.core import Issuer
from config.launch.issuer.realm import stable_id
from config.launch.issuer.web import Json, Refusal, Response, json_response


@needs("view-realm")
def list_roles(call: Call) -> Response:
    return json_response([_role(call.issuer, name) for name in sorted(call.issuer.realm.roles)])


@needs("view-realm")
def get_role(call: Call, name: str) -> Response:
    return json_response(_role(call.issuer, _known_role(call.issuer, name)))


@needs("view-users")
def role_users(call: Call, name: str) -> Response:
    role = _known_role(call.issuer, name)
    found = [user for user in call.issuer.users.all() if role in user.realm_roles]
    return json_response([representation(user) for user in found[call.page()]])


@needs("view-users")
def user_roles(call: Call, user_id: str) -> Response:
    return json_response([_role(call.issuer, name) for name in call.user(user_id).realm_roles])


@needs("view-users")
def available_roles(call: Call, user_id: str) -> Response:
    has = call.user(user_id).realm_roles
    return json_response([_role(call.issuer, name) for name in call.issuer.realm.roles if name not in has])


@needs("manage-users")
def add_roles(call: Call, user_id: str) -> Response:
    has, named = call.user(user_id).realm_roles, _named_roles(call)
    call.issuer.users.change(user_id, realmRoles=list(dict.fromkeys([*has, *named])))
    call.note("CREATE", "REALM_ROLE_MAPPING", f"users/{user_id}/role-mappings/realm")
    return Response(204)


@needs("manage-users")
def remove_roles(call: Call, user_id: str) -> Response:
    has, named = call.user(user_id).realm_roles, _named_roles(call)
    call.issuer.users.change(user_id, realmRoles=[name for name in has if name not in named])
    call.note("DELETE", "REALM_ROLE_MAPPING", f"users/{user_id}/role-mappings/realm")
    return Response(204)


def _named_roles(call: Call) -> list[str]:
    """The names of the roles in the body, each of which needs its id as well."""
    known = {name: stable_id("role", name) for name in call.issuer.realm.roles}
    roles = call.request.objects()
    if any(known.get(role.get("name", "")) != role.get("id", "") for role in roles):
        raise Refusal(404, "Role not found")
    return [role["name"] for role in roles]


def _known_role(issuer: Issuer, name: str) -> str:
    if name not in issuer.realm.roles:
        raise Refusal(404, "Could not find role")
    return name


def _role(issuer: Issuer, name: str) -> Json:
    return {
        "id": stable_id("role", name),
        "name": name,
        "description": issuer.realm.roles.get(name, ""),
        "composite": name == issuer.realm.default_role,
        "clientRole": False,
        "containerId": stable_id("realm", issuer.realm.name),
    }
