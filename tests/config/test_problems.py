"""Problem documents (RFC 9457): one for everything that does not succeed, and a page for each type."""

import json
from typing import Any

import psycopg
import pytest
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import DatabaseError, InterfaceError, OperationalError
from django.http import Http404
from django.test import Client, RequestFactory
from rest_framework import exceptions, serializers

from config.api import fields, problems
from config.api.problems import CATALOGUE, Problem
from config.observability import context
from tests.cast import Caller, assert_problem


@pytest.mark.parametrize("slug", CATALOGUE)
def test_each_type_has_a_page_that_explains_it(client: Client, slug: str) -> None:
    page = client.get(f"/problems/{slug}")
    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/plain; charset=utf-8")
    assert CATALOGUE[slug].title in page.content.decode()
    assert CATALOGUE[slug].explanation in page.content.decode()


@pytest.mark.parametrize("slug", CATALOGUE)
def test_each_type_names_its_page_or_a_registered_type(slug: str) -> None:
    document = rendered(Problem(slug))
    assert document["type"] in {f"/problems/{slug}", CATALOGUE[slug].uri}
    assert document["status"] == CATALOGUE[slug].status >= 400
    assert document["title"]
    assert document["detail"]


def rendered(problem: Problem) -> dict[str, Any]:
    answer = problems.respond(problem, RequestFactory().get("/v1/tasks"))
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Cache-Control"] == "no-store"
    document: dict[str, Any] = json.loads(answer.content)
    assert document["status"] == answer.status_code
    return document


def test_an_unknown_type_has_no_page(client: Client) -> None:
    answer = client.get("/problems/no-such")
    assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/problem+json")


UNKNOWN = ["/v1", "/v1/nothing", "/v1/tasks/", "/v1/tasks/not-an-id", "/v2/tasks", "/admin.php"]


def test_the_front_door_leads_to_the_documentation(client: Client) -> None:
    answer = client.get("/")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/v1/docs")
    assert client.post("/").status_code == 405


@pytest.mark.parametrize("path", UNKNOWN)
@pytest.mark.parametrize("method", ["get", "post", "delete", "trace"])
def test_what_the_resolver_does_not_know_is_a_problem_too(client: Client, method: str, path: str) -> None:
    answer = getattr(client, method)(path)
    document = json.loads(answer.content)
    assert (answer.status_code, document["status"]) == (404, 404)
    assert document["instance"] == path
    assert document["request_id"] == answer.headers["X-Request-Id"]


def test_the_request_id_and_the_members_are_in_the_document() -> None:
    with context.bind(request_id="call-7"):
        document = rendered(Problem("precondition-failed", "Changed.", members={"version": 4}))
    assert (document["request_id"], document["version"], document["detail"]) == ("call-7", 4, "Changed.")
    assert "errors" not in document


class Caused(DatabaseError):
    """As Django wraps what psycopg raises."""

    def __init__(self, cause: psycopg.Error) -> None:
        super().__init__(str(cause))
        self.__cause__ = cause


STATUS: list[tuple[BaseException, int]] = [
    (Http404(), 404),
    (exceptions.NotFound(), 404),
    (exceptions.MethodNotAllowed("PUT"), 405),
    (exceptions.UnsupportedMediaType("text/plain"), 415),
    (exceptions.NotAcceptable(), 406),
    (exceptions.NotAuthenticated(), 401),
    (exceptions.AuthenticationFailed(), 401),
    (PermissionDenied(), 403),
    (exceptions.PermissionDenied(), 403),
    (exceptions.ValidationError({"title": "x"}), 400),
    (exceptions.ParseError(), 400),
    (SuspiciousOperation("too many fields"), 400),
    (OperationalError("connection refused"), 503),
    (InterfaceError("connection already closed"), 503),
    (Caused(psycopg.errors.ReadOnlySqlTransaction("cannot execute INSERT")), 503),
    (Caused(psycopg.errors.InFailedSqlTransaction("aborted")), 500),
    (DatabaseError("syntax error"), 500),
    (KeyError("secret-value"), 500),
]


@pytest.mark.parametrize(("error", "status"), STATUS, ids=lambda value: type(value).__name__)
def test_each_exception_becomes_its_status(error: BaseException, status: int) -> None:
    assert problems.of(error).status_code == status


def test_an_unknown_error_says_nothing_of_itself() -> None:
    document = rendered(problems.of(KeyError("secret-value")))
    assert "secret-value" not in json.dumps(document)


@pytest.mark.parametrize("error", [OperationalError("password=hunter2"), InterfaceError("x")])
def test_an_unreachable_database_says_when_to_come_back(error: Exception) -> None:
    problem = problems.of(error)
    assert int(problem.headers["Retry-After"]) >= 1
    assert rendered(problem)["type"] == problems.REDUCED_CAPACITY
    assert "hunter2" not in json.dumps(rendered(problem))


class Inner(fields.Body):
    url = fields.Text(min_length=1)


class Outer(fields.Body):
    inner = Inner()
    labels = fields.Texts(child=fields.Text(min_length=1, max_length=3), max_length=2)


def errors_of(data: Any) -> dict[str, str]:
    with pytest.raises(serializers.ValidationError) as refused:
        Outer().run_validation(data)
    return {error["pointer"]: error["code"] for error in problems.of(refused.value).errors}


def test_every_bad_member_is_pointed_at() -> None:
    assert errors_of({"inner": {"url": "", "a/b~": 1}, "labels": ["ok", "long"], "x": 1}) == {
        "#/inner/url": "blank",
        "#/inner/a~1b~0": "unknown",
        "#/labels/1": "max_length",
        "#/x": "unknown",
    }


def test_a_body_that_is_no_object_is_pointed_at_as_a_whole() -> None:
    assert errors_of([]) == {"#": "invalid"}
    assert errors_of({"inner": 5, "labels": {}}) == {"#/inner": "invalid", "#/labels": "not_a_list"}


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/v1/openapi.json", "/v1/docs", "/v1/redoc", "/problems/gone"])
def test_what_everybody_may_read_can_only_be_read(client: Client, db: None, path: str) -> None:
    assert client.get(path).status_code == client.head(path).status_code == 200
    assert client.options(path).status_code == 204
    answer = client.post(path)
    assert (answer.status_code, answer.headers["Content-Type"]) == (405, "application/problem+json")
    assert answer.headers["Allow"] == client.options(path).headers["Allow"] == "GET, HEAD, OPTIONS"


def test_an_address_that_there_is_not_is_404_and_names_no_methods(alice: Caller, anonymous: Caller) -> None:
    for caller in (alice, anonymous):
        for method in ("GET", "POST", "TRACE"):
            answer = caller.call(method, "/v1/nowhere")
            assert_problem(answer, 404, "not-found")
            assert "Allow" not in answer.headers
