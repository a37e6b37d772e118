"""Sessions and events over the admin API."""

from config.launch.issuer.admin_access import Call, needs
from config.launch.issuer.events import Kind
from config.launch.issuer.logout import end_sessions
from config.launch.issuer.realm import stable_id
from config.launch.issuer.sessions import Session
from config.launch.issuer.users import User
from config.launch.issuer.web import Json, Refusal, Response, json_response


@needs("view-users")
def list_sessions(call: Call, user_id: str) -> Response:
    user = call.user(user_id)
    return json_response([_session(user, session) for session in call.issuer.sessions.of_user(user_id)])


@needs("manage-users")
def delete_session(call: Call, sid: str) -> Response:
    session = call.issuer.sessions.get(sid)
    if session is None:
        raise Refusal(404, "Sesssion not found")  # the spelling is Keycloak's
    end_sessions(call.issuer, [session])
    call.note("DELETE", "USER_SESSION", f"sessions/{sid}")
    return Response(204)


@needs("manage-users")
def log_user_out(call: Call, user_id: str) -> Response:
    call.user(user_id)
    call.issuer.users.end_tokens(user_id)
    end_sessions(call.issuer, call.issuer.sessions.of_user(user_id))
    call.note("ACTION", "USER", f"users/{user_id}/logout")
    return Response(204)


@needs("view-events")
def admin_events(call: Call) -> Response:
    return _events(call, "admin_events")


@needs("view-events")
def user_events(call: Call) -> Response:
    return _events(call, "user_events")


def _events(call: Call, kind: Kind) -> Response:
    try:
        return json_response(call.issuer.events.find(kind, call.request.query))
    except ValueError as error:
        raise Refusal(400, "invalid_request", "dates are milliseconds since 1970, pages are numbers") from error


def _session(user: User, session: Session) -> Json:
    return {
        "id": session.sid,
        "username": user.username,
        "userId": user.id,
        "ipAddress": "127.0.0.1",
        "start": session.started * 1000,
        "lastAccess": session.used * 1000,
        "rememberMe": False,
        "clients": {stable_id("client", client_id): client_id for client_id in session.clients},
        "transientUser": False,
    }
