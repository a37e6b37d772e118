"""Users over the admin API: listing, changing, disabling, deleting."""

from collections.abc import Mapping

from config.launch.issuer.admin_access import Call, needs
from config.launch.issuer.core import Issuer
from config.launch.issuer.users import User
from config.launch.issuer.web import Json, Refusal, Response, json_response

_WRITABLE = {"username", "enabled", "email", "emailVerified", "firstName", "lastName"}


@needs("view-users")
def list_users(call: Call) -> Response:
    found = _found(call.issuer, call.request.parameters())
    return json_response([representation(user) for user in found[call.page()]])


@needs("view-users")
def count_users(call: Call) -> Response:
    return json_response(len(_found(call.issuer, call.request.parameters())))


@needs("view-users")
def get_user(call: Call, user_id: str) -> Response:
    return json_response(representation(call.user(user_id)))


@needs("manage-users")
def create_user(call: Call) -> Response:
    body = call.request.object()
    if not body.get("username") or call.issuer.users.named(body["username"]):
        raise Refusal(409, "User exists with same username")
    user_id = call.issuer.users.create({name: value for name, value in body.items() if name in _WRITABLE})
    for credential in body.get("credentials", ()):
        call.issuer.users.set_password(user_id, _password(credential))
    call.note("CREATE", "USER", f"users/{user_id}")
    address = call.issuer.url.replace("/realms/", "/admin/realms/", 1) + f"/users/{user_id}"
    return Response(201, headers=(("Location", address),))


@needs("manage-users")
def change_user(call: Call, user_id: str) -> Response:
    """Fields that are not named stay. Disabling ends no session, and tells nobody but the event log."""
    call.user(user_id)
    changes = {name: value for name, value in call.request.object().items() if name in _WRITABLE}
    call.issuer.users.change(user_id, **changes)
    call.note("UPDATE", "USER", f"users/{user_id}")
    return Response(204)


@needs("manage-users")
def delete_user(call: Call, user_id: str) -> Response:
    call.user(user_id)
    call.issuer.sessions.end(session.sid for session in call.issuer.sessions.of_user(user_id))
    call.issuer.users.delete(user_id)
    call.note("DELETE", "USER", f"users/{user_id}")
    return Response(204)


@needs("manage-users")
def reset_password(call: Call, user_id: str) -> Response:
    call.issuer.users.set_password(call.user(user_id).id, _password(call.request.object()))
    call.note("ACTION", "USER", f"users/{user_id}/reset-password")
    return Response(204)


def _found(issuer: Issuer, asked: Mapping[str, str]) -> list[User]:
    """People only: Keycloak's search leaves service accounts out."""
    people = [user for user in issuer.users.all() if user.service_client is None]
    if "username" in asked:
        word, exact = asked["username"].lower(), asked.get("exact") == "true"
        people = [user for user in people if (word == user.username if exact else word in user.username)]
    if word := asked.get("search", "").strip("*").lower():
        people = [user for user in people if word in " ".join((user.username, user.email or "", user.name)).lower()]
    if "enabled" in asked:
        people = [user for user in people if user.enabled == (asked["enabled"] == "true")]
    return people


def _password(credential: Mapping[str, Json]) -> str:
    value = credential.get("value")
    if not isinstance(value, str) or not value:
        raise Refusal(400, "invalidPasswordMinLengthMessage", "A password is a text that is not empty.")
    return value


def representation(user: User) -> Json:
    shown: dict[str, Json] = {
        "id": user.id,
        "username": user.username,
        "firstName": user.first_name,
        "lastName": user.last_name,
        "email": user.email,
        "emailVerified": user.email_verified,
        "enabled": user.enabled,
        "totp": False,
        "notBefore": user.not_before,
        "requiredActions": [],
    }
    return {name: value for name, value in shown.items() if value is not None}
