"""What the OpenAPI document says of lists, and what the pages that show it load."""

import json
from typing import Any

import pytest
from django.test import Client

from config.api.schema import SNAPSHOT


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
def test_the_documentation_asks_no_other_server(client: Client, path: str) -> None:
    page = client.get(path).content.decode()
    assert "openapi.json" in page
    assert "https://" not in page
