"""What the OpenAPI document says of lists, and what the pages that show it load."""

import json
from typing import Any

import pytest
from django.test import Client

from config.api.schema import SNAPSHOT
from tests.cast import Caller, assert_problem


def _answers() -> dict[str, Any]:
    """The schema of each successful JSON answer to a GET, by address."""
    paths = json.loads(SNAPSHOT.read_text(encoding="utf-8"))["paths"]
    gets = {path: methods["get"]["responses"]["200"]["content"] for path, methods in paths.items() if "get" in methods}
    return {
        path: content["application/json"]["schema"] for path, content in gets.items() if "application/json" in content
    }


@pytest.mark.parametrize(
    "path",
    [
        "/v1/tasks",
        "/v1/tasks/{id}/history",
        "/v1/trash",
        "/v1/changes",
        "/v1/exports",
        "/v1/notifications",
        "/v1/users",
    ],
)
def test_a_list_answers_with_one_page(path: str) -> None:
    assert _answers()[path]["$ref"].endswith("Page")


def test_nothing_answers_with_a_bare_array() -> None:
    assert [path for path, schema in _answers().items() if schema.get("type") == "array"] == []


@pytest.mark.parametrize("path", ["/v1/docs", "/v1/redoc"])
def test_the_documentation_asks_no_other_server(client: Client, redis: Any, path: str) -> None:
    page = client.get(path).content.decode()
    assert "openapi.json" in page
    assert "https://" not in page


def test_what_is_made_links_to_what_can_be_done_with_it() -> None:
    paths = json.loads(SNAPSHOT.read_text(encoding="utf-8"))["paths"]
    links = paths["/v1/tasks"]["post"]["responses"]["201"]["links"]
    known = {operation["operationId"] for methods in paths.values() for operation in methods.values()}
    assert {"tasks_retrieve", "tasks_partial_update", "tasks_destroy", "tasks_history_list"} <= links.keys() <= known
    assert links["tasks_retrieve"]["parameters"] == {"id": "$response.body#/id"}


def test_bodies_are_closed_and_required() -> None:
    document = json.loads(SNAPSHOT.read_text(encoding="utf-8"))
    for name, schema in document["components"]["schemas"].items():
        assert not name.endswith("Request") or "properties" not in schema or schema["additionalProperties"] is False
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            body = operation.get("requestBody")
            assert body is None or body["required"], (method, path)
            assert body is None or method == "patch" or list(body["content"]) == ["application/json"], (method, path)


def test_another_method_is_405_whatever_else_is_wrong(alice: Caller) -> None:
    answer = alice.call("PUT", "/v1/tasks", b"{", x="1")
    assert_problem(answer, 405)
    assert answer.headers["Allow"] == "GET, POST, HEAD, OPTIONS"
