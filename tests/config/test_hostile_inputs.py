"""Hostile inputs, at every route that takes them: a problem document of the stated status and never a 5xx, nothing
changed, no event, and one line of JSON in the log.

The kinds are those of tokens, identities, queries and bodies; how each of them is told apart is tested beside the code.
"""

import json
import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.apps import apps

from config.observability.logs import JSONFormatter
from tests.accounts.keycloak import Mint, raw_sign, rsa_key, segment
from tests.cast import PEOPLE, Answer, Caller
from tests.config.test_role_matrix import MATRIX

pytestmark = pytest.mark.django_db
NOBODYS = "0192f0c1-d2e3-7b5a-8000-000000000000"
SEEN = {"accounts.User"}  # a caller's own row may be made


class Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(JSONFormatter("tests"))
        self.told: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.told.append(self.format(record))


@pytest.fixture
def lines() -> Iterator[Lines]:
    handler = Lines()
    logging.getLogger().addHandler(handler)
    yield handler
    logging.getLogger().removeHandler(handler)


def everything() -> dict[str, list[Any]]:
    """All rows of all tables that a call could touch."""
    models = [model for model in apps.get_models() if model._meta.label not in SEEN and model._meta.managed]
    return {model._meta.label: sorted(map(str, model._base_manager.values_list())) for model in models}


Check = Callable[..., None]


@pytest.fixture
def check(db: None, lines: Lines, limits: Callable[..., None]) -> Iterator[Check]:
    """Makes calls, and looks at all that they may not have done."""
    limits(user=(100_000, 60), ip=(100_000, 60), task=(100_000, 60))
    before: list[Any] = []

    def run(status: int, call: Callable[..., Answer], *arguments: Any, **more: Any) -> None:
        before.extend([] if before else [everything()])
        lines.told.clear()
        answer = call(*arguments, **more)
        assert answer.status_code == status, (arguments, answer.content)
        assert answer.headers["Content-Type"] == "application/problem+json"
        problem = json.loads(answer.content)
        assert (problem["status"], problem["request_id"]) == (status, answer.headers["X-Request-Id"])
        assert not any(inside in answer.content for inside in (b"Traceback", b"SELECT", b".py"))
        assert all(len(line.splitlines()) == 1 for line in lines.told)
        told = [json.loads(line) for line in lines.told]
        assert [line["status"] for line in told if line["event"] == "request"] == [status], arguments
        assert {line["level"] for line in told} == {"info"}, told

    yield run
    assert before == [everything()]


# --- bodies


TITLED = '{"title": %s}'
TEXTS: dict[str, tuple[bytes, int]] = {
    "nothing": (b"", 400),
    "broken": (b'{"title": "x"', 400),
    "NUL": (b'{"title": "a\\u0000b"}', 400),
    "NUL in a name": (b'{"a\\u0000": 1}', 400),
    "lone surrogate": (b'{"title": "\\udc00"}', 400),
    "deep": (b"[" * 100_000 + b"]" * 100_000, 400),
    "deep objects": (b'{"title":' * 300 + b"1" + b"}" * 300, 400),
    "NaN": (b'{"title": NaN}', 400),
    "infinite": (b'{"title": -Infinity}', 400),
    "huge number": (b'{"title": ' + b"9" * 100_000 + b"}", 400),
    "huge exponent": (b'{"title": 1e999999}', 400),
    "not UTF-8": (b'{"title": "\xff"}', 400),
    "UTF-16": ('{"title": "x"}'.encode("utf-16"), 400),
    "twice": (b'{"title": "a", "title": "b"}', 400),
    "no object": (b'["title"]', 400),
    "100,000 elements": (b"[" + b"1," * 99_999 + b"1]", 400),
    "100,000 elements inside": (
        b'{"labels": [' + b'"a",' * 99_999 + b'"a"], "operations": [' + b"1," * 999 + b"1]}",
        400,
    ),
    "3 MB": (b'{"title": "' + b"x" * 3_000_000 + b'"}', 413),
}
FIELDS = ("id", "owner", "created_at", "updated_at", "completed_at", "version", "deleted_at", "is_staff", "__class__")
MEDIA = ("application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain", "application/xml", "*/*")
HEADERS: dict[str, tuple[dict[str, str], int]] = {
    "chunked": ({"Transfer-Encoding": "chunked"}, 411),
    "gzip": ({"Content-Encoding": "gzip"}, 415),
    "a bomb of deflate": ({"Content-Encoding": "deflate, gzip"}, 415),
    "an odd tag": ({"If-Match": "3"}, 400),
    "an odd token": ({"Consistency-Token": "../../etc"}, 400),
    "an odd key": ({"Idempotency-Key": '"open'}, 400),
    "a key that is no ASCII": ({"Idempotency-Key": "\u2028"}, 400),
}
TAKES_BODY = sorted({(row.method, row.path) for row in MATRIX if row.body is not None})


@pytest.fixture
def ada_s(client_for: Callable[..., Caller]) -> tuple[Caller, dict[str, str]]:
    """An admin, who gets past every role, and what there is of hers."""
    ada = client_for("ada")
    task = ada.make()["id"]
    return ada, {"task": task, "alice": PEOPLE["alice"].id, "export": NOBODYS, "trashed": NOBODYS}


@pytest.mark.parametrize("name", TEXTS)
def test_a_hostile_body_is_refused_everywhere(check: Check, ada_s: Any, name: str) -> None:
    (ada, ids), (body, status) = ada_s, TEXTS[name]
    for method, path in TAKES_BODY:
        check(status, ada.call, method, path.format(**ids), body)


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_that_is_not_the_callers_is_refused_everywhere(check: Check, ada_s: Any, field: str) -> None:
    ada, ids = ada_s
    for row in MATRIX:
        if row.body is not None:
            body = {**json.loads(json.dumps(row.body).replace("{task}", ids["task"])), field: "x"}
            check(400, ada.call, row.method, row.path.format(**ids), body)
    for op in (
        {"op": "create", "body": {"title": "x", field: "x"}},
        {"op": "update", "id": ids["task"], "body": {field: 1}},
    ):
        check(400, ada.post, "/v1/tasks/bulk", {"operations": [op]})


@pytest.mark.parametrize("media", MEDIA)
def test_another_media_type_is_refused_everywhere(check: Check, ada_s: Any, media: str) -> None:
    ada, ids = ada_s
    for method, path in TAKES_BODY:
        check(415, ada.call, method, path.format(**ids), b"title=x", content_type=media)


@pytest.mark.parametrize("name", HEADERS)
def test_a_hostile_header_is_refused_at_the_writes_of_a_task(check: Check, ada_s: Any, name: str) -> None:
    (ada, ids), (headers, status) = ada_s, HEADERS[name]
    check(status, ada.call, "PATCH", f"/v1/tasks/{ids['task']}", {"title": "x"}, headers=headers)


# --- queries


LISTS = sorted({row.path.partition("?")[0] for row in MATRIX if row.method == "GET" and row.path.startswith("/v1/")})
LISTS = [path for path in LISTS if path not in {"/v1/openapi.json", "/v1/docs", "/v1/redoc"}]
QUERIES = [
    "unknown=1",
    "owner__email__startswith=a",
    "title__regex=.",
    "_connector=OR",
    "_negated=true",
    "id__in=1",
    "a%00=1",
    "%ff=1",
    "page_size[]=1",
]
PAGES = [
    "page_size=0",
    "page_size=101",
    "page_size=-1",
    "page_size=ten",
    "page_size=1e1",
    "page_size=%D9%A1",
    "page_size=1&page_size=1",
    "cursor=",
    "cursor=AAAA",
    "cursor=%00",
    "cursor=..%2F",
]


@pytest.mark.parametrize("query", QUERIES)
def test_an_unknown_parameter_is_refused_everywhere(check: Check, ada_s: Any, query: str) -> None:
    """Before it is known whether there is what the path names."""
    ada, ids = ada_s
    for path in LISTS:
        check(400, ada.get, f"{path.format(**ids)}?{query}")


@pytest.mark.parametrize("query", PAGES)
def test_a_hostile_page_is_refused_in_every_list(check: Check, ada_s: Any, query: str) -> None:
    ada, ids = ada_s
    for path in LISTS:
        where = path.format(**ids)
        if "next_cursor" in ada.get(where).content.decode():
            check(400, ada.get, f"{where}?{query}")


def test_a_cursor_of_another_list_filter_sort_or_caller_is_refused(check: Check, alice: Caller, bob: Caller) -> None:
    for _ in range(3):
        alice.make()
        bob.make()
    cursor = alice.get("/v1/tasks", page_size=1).json()["next_cursor"]
    places = (
        "/v1/trash",
        "/v1/changes",
        "/v1/exports",
        "/v1/notifications",
        "/v1/tasks?status=pending",
        "/v1/tasks?sort=due_at",
    )
    for path in places:
        where = f"{path}{'&' if '?' in path else '?'}cursor={cursor}"
        check(400, alice.get, where)
    check(400, bob.get, f"/v1/tasks?cursor={cursor}")
    flipped = cursor[:-1] + ("A" if cursor[-1] != "A" else "B")
    check(400, alice.get, f"/v1/tasks?cursor={flipped}")


# --- others' objects


def test_anothers_ids_are_not_found_wherever_they_stand(check: Check, alice: Caller, bob: Caller) -> None:
    task, trashed = alice.make()["id"], alice.make()["id"]
    alice.delete(f"/v1/tasks/{trashed}")
    export = alice.post("/v1/exports", {"format": "csv"}).json()["id"]
    calls: list[tuple[str, str, Any]] = [
        ("GET", f"/v1/tasks/{task}", None),
        ("GET", f"/v1/tasks/{task}/history", None),
        ("PATCH", f"/v1/tasks/{task}", {"title": "x"}),
        ("DELETE", f"/v1/tasks/{task}", None),
        ("POST", f"/v1/tasks/{trashed}/restore", None),
        ("DELETE", f"/v1/trash/{trashed}", None),
        ("GET", f"/v1/exports/{export}", None),
        ("GET", f"/v1/exports/{export}/file", None),
        ("DELETE", f"/v1/exports/{export}", None),
        ("POST", f"/v1/notifications/{task}/read", None),
        *(
            ("POST", "/v1/tasks/bulk", {"operations": [{"op": "create", "body": {"title": "x"}}, operation]})
            for operation in (
                {"op": "update", "id": task, "body": {"title": "x"}},
                {"op": "update", "id": task, "if_match": 1, "body": {}},
                {"op": "delete", "id": task},
                {"op": "restore", "id": trashed},
            )
        ),
    ]
    for method, path, body in calls:
        check(404, bob.call, method, path, body)


# --- tokens


def _tokens(mint: Mint) -> dict[str, str]:
    now, other = int(time.time()), rsa_key()
    good = mint.access().split(".")
    return {
        "alg none": ".".join([segment(json.dumps({"alg": "none", "typ": "at+jwt"}).encode()), good[1], ""]),
        "no signature": f"{good[0]}.{good[1]}.",
        "RS512 with the right key": raw_sign(
            {"sub": PEOPLE["ada"].id, "iss": mint.issuer}, {"kid": mint.key.kid, "typ": "at+jwt"}, mint.key, "RS512"
        ),
        "another key under the known id": mint.access(key=other, header={"kid": mint.key.kid}),
        "its own key": mint.access(key=other, header={"jwk": other.listed()}),
        "keys elsewhere": mint.access(key=other, header={"jku": "http://127.0.0.1:1/", "x5u": "http://127.0.0.1:1/"}),
        "an odd key id": mint.access(header={"kid": "../../etc/passwd\n"}),
        "expired": mint.access(exp=now - 60),
        "no end": mint.access(exp=...),
        "an end as text": mint.access(exp=str(now + 60)),
        "an end too far": mint.access(exp=now + 10**9),
        "not yet": mint.access(nbf=now + 60),
        "of the future": mint.access(iat=now + 60),
        "another realm": mint.access(iss="http://127.0.0.1/realms/other"),
        "a slash more": mint.access(iss=f"{mint.issuer}/"),
        "for account": mint.access(aud="account"),
        "for nobody": mint.access(aud=...),
        "ID": mint.identity(),
        "refresh": mint.access(typ="Refresh", header={"typ": "JWT"}),
        "offline": mint.access(typ="Offline", header={"typ": "JWT"}),
        "logout": mint.logout(),
        "long": "x" * 9_000,
        "odd": "\u00e9.b.c",
    }


def test_a_hostile_token_opens_nothing(check: Check, tokens: Mint, redis: Any, issuer: Any) -> None:
    assert Caller(None, PEOPLE["alice"].token(tokens)).get("/v1/me").status_code == 200
    fetched = issuer.fetches
    for name, token in _tokens(tokens).items():
        check(400 if name == "odd" else 401, Caller(None, token).post, "/v1/tasks", {"title": "x"})
    assert issuer.fetches == fetched, "a token made us fetch something"


@pytest.mark.parametrize("roles", ["admin", None, 7, ["ADMIN"], [["admin"]], {"admin": 1}], ids=str)
def test_odd_roles_allow_nothing(check: Check, client_for: Callable[..., Caller], roles: Any) -> None:
    for where in (
        {"realm_access": {"roles": roles}},
        {"realm_access": roles},
        {"resource_access": {"other": {"roles": ["admin"]}}},
    ):
        caller = client_for("nobody", **where)
        for method, path, body in (("POST", "/v1/tasks", {"title": "x"}), ("GET", "/v1/users", None)):
            check(403, caller.call, method, path, body)


def test_an_admins_name_and_mail_under_another_subject_see_nothing(check: Check, ada: Caller, client_for: Any) -> None:
    task = ada.make()["id"]
    claims = {"sub": "another", "preferred_username": "ada", "email": "ada@example.com", "sid": "s"}
    other = client_for("alice", **claims)
    assert other.get("/v1/me").json()["id"] == "another"
    assert other.get("/v1/tasks").json()["results"] == []
    check(404, other.get, f"/v1/tasks/{task}")
    check(403, other.get, "/v1/users")
    check(403, other.get, "/v1/tasks?owner=any")
