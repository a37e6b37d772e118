"""Who may call what: one table for every route and method, and a walk over the router that finds gaps in it."""

import json
import time
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple, cast

import pytest
from django.http import HttpResponse
from django.test import RequestFactory
from django.urls import URLPattern, URLResolver, get_resolver, resolve
from rest_framework.request import Request

from accounts import denials
from config.api.models import IdempotencyKey
from config.api.views import ApiViewSet
from config.events.models import Event
from tasks_app.models import Task
from tests.accounts.keycloak import Mint
from tests.cast import PEOPLE, Caller
from tests.config.documented import assert_documented

pytestmark = pytest.mark.django_db
# Alice owns the task and carol is its assignee. Bob, a person, and the service account are strangers with a role, vera
# is one who may only read. Ada is an admin; dora was one, until she was disabled.
ACTORS = ("anonymous", "nobody", "vera", "bob", "service", "carol", "alice", "ada", "dora")
OTHERS = {
    "carol": ("bob", "00000000-0000-4000-8000-0000000000ca"),
    "dora": ("ada", "00000000-0000-4000-8000-0000000000d0"),
}


class Row(NamedTuple):
    method: str
    path: str
    statuses: str  # in the order of ACTORS
    body: Any = None


def _bulk(*operations: Any) -> Any:
    return {"operations": list(operations)}


_MAKE = {"op": "create", "body": {"title": "x"}}
_TASK = {"op": "update", "id": "{task}"}
_BACK = {"op": "restore", "id": "{trashed}"}
_DONE = {"status": "completed"}
MATRIX = [
    #                                  anon nob ver bob svc ass own adm dis
    Row("GET", "/v1/tasks", "           401 403 200 200 200 200 200 200 401"),
    Row("POST", "/v1/tasks", "          401 403 403 201 201 201 201 201 401", {"title": "x"}),
    Row("GET", "/v1/tasks/{task}", "    401 403 404 404 404 200 200 200 401"),
    Row("PATCH", "/v1/tasks/{task}", "  401 403 403 404 404 200 200 200 401", {"status": "completed"}),
    Row("PATCH", "/v1/tasks/{task}", "  401 403 403 404 404 403 200 200 401", {"title": "x"}),
    Row("DELETE", "/v1/tasks/{task}", " 401 403 403 404 404 403 204 204 401"),
    Row("GET", "/v1/tasks/{task}/history", "401 403 404 404 404 200 200 200 401"),
    Row("GET", "/v1/tasks/{trashed}", " 401 403 404 404 404 404 404 404 401"),
    Row("GET", "/v1/tasks/{trashed}/history", "401 403 404 404 404 200 200 200 401"),
    Row("POST", "/v1/tasks/{trashed}/restore", "401 403 403 404 404 403 200 200 401"),
    Row("POST", "/v1/tasks/bulk", "     401 403 403 200 200 200 200 200 401", _bulk(_MAKE)),
    Row("POST", "/v1/tasks/bulk", "     401 403 403 404 404 200 200 200 401", _bulk(_TASK | {"body": _DONE})),
    Row("POST", "/v1/tasks/bulk", "     401 403 403 404 404 403 200 200 401", _bulk(_TASK | {"body": {"title": "x"}})),
    Row("POST", "/v1/tasks/bulk", "     401 403 403 404 404 403 200 200 401", _bulk(_TASK | {"op": "delete"})),
    Row(
        "POST",
        "/v1/tasks/bulk",
        "     401 403 403 404 404 403 200 200 401",
        _bulk({"op": "restore", "id": "{trashed}"}),
    ),
    Row("GET", "/v1/tasks/counts", "    401 403 200 200 200 200 200 200 401"),
    Row("GET", "/v1/changes", "         401 403 200 200 200 200 200 200 401"),
    Row("GET", "/v1/trash", "           401 403 200 200 200 200 200 200 401"),
    Row("DELETE", "/v1/trash/{trashed}", "401 403 403 404 404 403 204 204 401"),
    Row("GET", "/v1/me", "              401 200 200 200 200 200 200 200 401"),
    Row("GET", "/v1/me/limits", "       401 200 200 200 200 200 200 200 401"),
    Row("GET", "/v1/me/preferences", "  401 403 200 200 200 200 200 200 401"),
    Row("PATCH", "/v1/me/preferences", "401 403 200 200 200 200 200 200 401", {"time_zone": "Europe/Berlin"}),
    # 503: the caller may, and Keycloak is not there to ask.
    Row("GET", "/v1/users", "           401 403 403 403 403 403 403 200 401"),
    Row("GET", "/v1/users/{alice}", "   401 403 403 403 403 403 403 200 401"),
    Row("PATCH", "/v1/users/{alice}", " 401 403 403 403 403 403 403 503 401", {"enabled": False}),
    Row("PUT", "/v1/users/{alice}/roles", "401 403 403 403 403 403 403 503 401", {"roles": ["admin"]}),
    Row("POST", "/v1/users/{alice}/sign-out", "401 403 403 403 403 403 403 503 401"),
    Row("GET", "/v1/notifications", "   401 403 200 200 200 200 200 200 401"),
    Row("POST", "/v1/notifications/read-all", "401 403 200 200 200 200 200 200 401"),
    Row("POST", "/v1/notifications/{task}/read", "401 403 404 404 404 404 404 404 401"),
    Row("GET", "/v1/exports", "         401 403 200 200 200 200 200 200 401"),
    Row("POST", "/v1/exports", "        401 403 202 202 202 202 202 202 401", {"format": "csv"}),
    Row("GET", "/v1/exports/{export}", "401 403 404 404 404 404 200 404 401"),
    Row("DELETE", "/v1/exports/{export}", "401 403 404 404 404 404 204 404 401"),
    Row("GET", "/v1/exports/{export}/file", "401 403 404 404 404 404 409 404 401"),
    Row("GET", "/v1/analytics/daily", " 401 403 200 200 200 200 200 200 401"),
    Row("GET", "/v1/analytics/summary", "401 403 200 200 200 200 200 200 401"),
    Row("GET", "/v1/analytics/daily?owner=any", "401 403 403 403 403 403 403 200 401"),
    Row("GET", "/v1/tasks?owner=any", " 401 403 403 403 403 403 403 200 401"),
    Row("GET", "/", "                   302 302 302 302 302 302 302 302 302"),
    *(
        Row("GET", path, "200 200 200 200 200 200 200 200 200")
        for path in ("/v1/openapi.json", "/v1/docs", "/v1/redoc", "/livez", "/problems/not-found")
    ),
]
PROTECTED = [row for row in MATRIX if row.statuses.split()[0] == "401"]
# Pages for people and answers to probes, which have tests of their own.
ELSEWHERE = ("admin/", "oidc/", "readyz")


World = dict[str, str]


@pytest.fixture
def actor(client_for: Callable[..., Caller]) -> Callable[[str], Caller]:
    """Each with one token. Those who are not in the realm have the roles of one who is."""

    @cache
    def make(name: str) -> Caller:
        if name not in OTHERS:
            return client_for(None if name == "anonymous" else name)
        like, subject = OTHERS[name]
        return client_for(like, sub=subject, preferred_username=name, email=f"{name}@example.com", sid=f"of-{name}")

    return cast(Callable[[str], Caller], make)


@pytest.fixture
def new_world(actor: Callable[[str], Caller], limits: Callable[..., None]) -> Callable[[], World]:
    limits(ip=(1000, 60))
    alice, (_, carol), (_, dora) = actor("alice"), OTHERS["carol"], OTHERS["dora"]
    for name in ("carol", "dora"):
        assert actor(name).get("/v1/me").status_code == 200
    denials.deny_subject(dora, int(time.time()) + 1)

    export = alice.post("/v1/exports", {"format": "csv"}).json()["id"]  # one: only few may wait at a time

    def make() -> World:
        task, trashed = (alice.make(assignee=carol)["id"] for _ in range(2))
        alice.delete(f"/v1/tasks/{trashed}")
        return {"task": task, "trashed": trashed, "export": export, "alice": alice.id}

    return make


@pytest.fixture
def world(new_world: Callable[[], World]) -> World:
    return new_world()


@pytest.mark.parametrize("row", MATRIX, ids=lambda row: f"{row.method} {row.path}")
def test_the_table(new_world: Callable[[], World], actor: Callable[[str], Caller], row: Row) -> None:
    world, statuses = new_world(), {}
    for name in ACTORS:
        caller, before = actor(name), _state()
        answer = caller.call(row.method, row.path.format(**world), _filled(row.body, world))
        statuses[name] = answer.status_code
        if row in PROTECTED:
            assert_documented(row.method, answer.resolver_match.route, answer)
        if answer.status_code in {401, 403, 404}:
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert _state() == before, "a refused call changes nothing and leaves no event"
        elif row.method != "GET":
            world = new_world()
    assert statuses == dict(zip(ACTORS, map(int, row.statuses.split()), strict=True))


def _filled(body: Any, world: World) -> Any:
    """The body with the ids of this world."""
    text = json.dumps(body)
    for name, value in world.items():
        text = text.replace(f"{{{name}}}", value)
    return json.loads(text)


def _state() -> Any:
    tasks = list(Task.objects.order_by("id").values())
    return tasks, Event.objects.count(), IdempotencyKey.objects.count()


def routes(resolver: URLResolver, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Every (method, route) that a request can reach."""
    for entry in resolver.url_patterns:
        route = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from routes(entry, route)
        elif isinstance(entry, URLPattern) and not route.startswith(ELSEWHERE):
            actions = getattr(entry.callback, "actions", None) or {"get": None}
            yield from ((method.upper(), route) for method in actions if method != "head")


def test_the_table_has_a_row_for_every_route_and_method() -> None:
    there = set(routes(get_resolver()))
    shape = dict.fromkeys(("task", "trashed", "export"), "0192f0c1-d2e3-7b5a-8000-000000000000") | {"alice": "a"}
    rows = {(row.method, resolve(row.path.partition("?")[0].format(**shape)).route) for row in MATRIX}
    assert there - rows == set(), "add the missing rows to MATRIX"
    assert rows - there == set()


def test_a_row_has_a_status_for_each_actor() -> None:
    assert {len(row.statuses.split()) for row in MATRIX} == {len(ACTORS)}


class Forgetful(ApiViewSet):
    """A view whose author forgot to say who may call it."""

    def list(self, request: Request) -> HttpResponse:
        return HttpResponse("open")


def test_a_view_that_does_not_say_who_may_call_it_is_closed(tokens: Mint, redis: Any) -> None:
    headers = {"authorization": f"Bearer {PEOPLE['ada'].token(tokens)}"}
    answer = Forgetful.as_view({"get": "list"})(RequestFactory().get("/", headers=headers))
    assert (answer.status_code, b"open" in answer.content) == (403, False)


@pytest.mark.parametrize("row", PROTECTED, ids=lambda row: f"{row.method} {row.path}")
def test_nobody_gets_in_with_a_denied_token(world: World, client_for: Callable[..., Caller], row: Row) -> None:
    ada = client_for("ada")
    denials.deny_session(PEOPLE["ada"].id, "session-of-ada")
    answer = ada.call(row.method, row.path.format(**world), _filled(row.body, world))
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize("row", PROTECTED, ids=lambda row: f"{row.method} {row.path}")
def test_options_tell_the_methods_to_whoever_may_use_one(
    world: World, client_for: Callable[..., Caller], row: Row
) -> None:
    answer = client_for("ada").call("OPTIONS", row.path.partition("?")[0].format(**world))
    assert (answer.status_code, answer.content) == (204, b"")
    assert row.method in answer.headers["Allow"].split(", ")
    free = row.path in {"/v1/me", "/v1/me/limits"}
    assert client_for("nobody").call("OPTIONS", row.path.partition("?")[0].format(**world)).status_code == (
        204 if free else 403
    )


ODD_ROLES: list[Any] = ["admin", None, 5, ["Admin"], ["ADMIN"], [" admin"], [["admin"]], {"admin": True}, [None, 7]]


@pytest.mark.parametrize("roles", ODD_ROLES, ids=str)
def test_odd_roles_in_a_token_are_no_roles(client_for: Callable[..., Caller], roles: Any) -> None:
    caller = client_for("alice", realm_access={"roles": roles})
    assert caller.get("/v1/tasks").status_code == 403
    assert client_for("alice", realm_access=roles).get("/v1/tasks").status_code == 403
    elsewhere = {"another-client": {"roles": ["admin"]}}
    assert client_for("alice", realm_access=..., resource_access=elsewhere).get("/v1/tasks").status_code == 403
