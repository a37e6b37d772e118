"""Each kind of change that breaks clients is found, and those that do not are let through.

A change is planted in the real document: `at` walks to a place, the rest says what stands there then.
"""

import copy
import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from config.api import breaking
from config.api.schema import SNAPSHOT
from config.management.commands import openapi

Json = Any
GONE = object()
TASKS = "/v1/tasks"
PATHS, SCHEMAS = ("paths",), ("components", "schemas")
POST, LIST = (*PATHS, TASKS, "post"), (*PATHS, TASKS, "get")
CREATE, OUT = (*SCHEMAS, "TaskCreateRequest"), (*SCHEMAS, "TaskOut")
TITLE = (*CREATE, "properties", "title")
JSON = ("content", "application/json")


def planted(*changes: tuple[tuple[Any, ...], Json]) -> Json:
    """The document with each `(place, value)`; a value that is GONE is taken away."""
    document = copy.deepcopy(DOCUMENT)
    for place, value in changes:
        found = document
        for step in place[:-1]:
            found = found[step]
        if value is GONE:
            del found[place[-1]]
        else:
            found[place[-1]] = value
    return document


DOCUMENT = json.loads(SNAPSHOT.read_text(encoding="utf-8"))


def parameter(name: str) -> tuple[Any, ...]:
    names = [found["name"] for found in DOCUMENT["paths"][TASKS]["get"]["parameters"]]
    return (*LIST, "parameters", names.index(name))


def without(place: tuple[Any, ...], item: Any) -> tuple[tuple[Any, ...], Json]:
    found = DOCUMENT
    for step in place:
        found = found[step]
    return place, [value for value in found if value != item]


BREAKING: dict[str, tuple[tuple[tuple[Any, ...], Json], str]] = {
    "a path is gone": (((*PATHS, "/v1/trash"), GONE), "GET /v1/trash: is gone"),
    "an operation is gone": ((POST, GONE), "POST /v1/tasks: is gone"),
    "a success is gone": (((*POST, "responses", "201"), GONE), "POST /v1/tasks 201: is gone"),
    "an answer's media type is gone": (
        ((*POST, "responses", "201", *JSON), GONE),
        "POST /v1/tasks 201 application/json: is gone",
    ),
    "a request's media type is gone": (
        ((*POST, "requestBody", *JSON), GONE),
        "POST /v1/tasks request application/json: is gone",
    ),
    "an answer's member is gone": (((*OUT, "properties", "labels"), GONE), "POST /v1/tasks 201 labels: is gone"),
    "an answer's member may be missing": (
        without((*OUT, "required"), "labels"),
        "POST /v1/tasks 201 labels: may be missing now",
    ),
    "an answer may be null": (
        ((*OUT, "properties", "title", "type"), ["string", "null"]),
        "GET /v1/tasks/{id} 200 title: type was string, is ['string', 'null']",
    ),
    "an answer lost its format": (
        ((*OUT, "properties", "id", "format"), GONE),
        "POST /v1/tasks 201 id: format was uuid, is None",
    ),
    "an answer has a choice more": (
        ((*SCHEMAS, "TaskStatus", "enum"), ["pending", "in-progress", "completed", "waiting"]),
        "GET /v1/trash 200 results items status: enum was ['pending', 'in-progress', 'completed'], "
        "is ['pending', 'in-progress', 'completed', 'waiting']",
    ),
    "a request's member is gone": (((*CREATE, "properties", "labels"), GONE), "POST /v1/tasks request labels: is gone"),
    "a request's member is required": (
        ((*CREATE, "required"), ["title", "labels"]),
        "POST /v1/tasks request labels: is required now",
    ),
    "a request's type changed": (
        ((*TITLE, "type"), "integer"),
        "POST /v1/tasks request title: type was string, is integer",
    ),
    "a request has a format": (((*TITLE, "format"), "uuid"), "POST /v1/tasks request title: format was None, is uuid"),
    "a request is shorter": (((*TITLE, "maxLength"), 100), "POST /v1/tasks request title: maxLength was 200, is 100"),
    "a request has a limit": (
        ((*TITLE, "maximum"), 9),
        "POST /v1/tasks request title: maximum was None, is 9",
    ),
    "a request is longer": (((*TITLE, "minLength"), 2), "POST /v1/tasks request title: minLength was 1, is 2"),
    "a request's item is shorter": (
        ((*CREATE, "properties", "labels", "items", "maxLength"), 5),
        "POST /v1/tasks request labels items: maxLength was 50, is 5",
    ),
    "a request has a choice less": (
        ((*SCHEMAS, "TaskPriority", "enum"), ["low", "normal"]),
        "POST /v1/tasks request priority: enum was ['low', 'normal', 'high', 'urgent'], is ['low', 'normal']",
    ),
    "a request takes no null": (
        ((*CREATE, "properties", "due_at", "type"), "string"),
        "POST /v1/tasks request due_at: type was ['string', 'null'], is string",
    ),
    "a request takes one of others": (
        ((*TITLE, "oneOf"), [{"type": "integer"}, {"type": "string", "maxLength": 3}]),
        "POST /v1/tasks request title: oneOf changed",
    ),
    "a parameter is gone": ((parameter("q"), {"in": "header", "name": "q"}), "GET /v1/tasks query q: is gone"),
    "a parameter is required": (((*parameter("q"), "required"), True), "GET /v1/tasks query q: is required now"),
    "a parameter is new and required": (
        (
            (*POST, "parameters"),
            [*DOCUMENT["paths"][TASKS]["post"]["parameters"], {"in": "query", "name": "new", "required": True}],
        ),
        "POST /v1/tasks query new: is required now",
    ),
    "a parameter has a choice less": (
        ((*parameter("sort"), "schema", "enum"), ["-created_at"]),
        "GET /v1/tasks query sort: enum was ['-created_at', '-due_at', '-updated_at', 'created_at', 'due_at'], "
        "is ['-created_at']",
    ),
    "a parameter means another value when it is not sent": (
        ((*parameter("page_size"), "schema", "default"), 20),
        "GET /v1/tasks query page_size: default was 50, is 20",
    ),
    "a way in is gone": (((*POST, "security"), [{"other": []}]), "POST /v1/tasks: security keycloak is gone"),
}


@pytest.mark.parametrize("name", BREAKING)
def test_a_change_that_breaks_clients_is_named(name: str) -> None:
    change, line = BREAKING[name]
    assert line in list(breaking.changes(DOCUMENT, planted(change)))


def test_a_document_breaks_nobody_who_has_it() -> None:
    assert list(breaking.changes(DOCUMENT, DOCUMENT)) == []


def test_what_was_open_to_all_stays_so() -> None:
    free = planted(((*POST, "security"), [{}, {"keycloak": []}]))
    assert list(breaking.changes(free, DOCUMENT)) == ["POST /v1/tasks: security none is gone"]
    assert list(breaking.changes(DOCUMENT, free)) == []


def test_a_body_that_could_be_left_out_stays_so() -> None:
    optional = planted(((*POST, "requestBody", "required"), False))
    assert list(breaking.changes(optional, DOCUMENT)) == ["POST /v1/tasks request: is required now"]


def test_a_promised_answer_header_stays() -> None:
    promised = planted(((*POST, "responses", "201", "headers"), {"Promised": {}}))
    assert list(breaking.changes(promised, DOCUMENT)) == ["POST /v1/tasks 201 header Promised: is gone"]


HARMLESS = {
    "a new path": ((*PATHS, "/v1/new"), {"get": {"responses": {}}}),
    "a new member in an answer": ((*OUT, "properties", "new"), {"type": "string"}),
    "a new member in a request": ((*CREATE, "properties", "new"), {"type": "string"}),
    "a longer request": ((*TITLE, "maxLength"), 400),
    "an endless request": ((*TITLE, "maxLength"), GONE),
    "null in a request": ((*TITLE, "type"), ["string", "null"]),
    "no null in an answer": ((*OUT, "properties", "due_at", "type"), "string"),
    "a choice less in an answer": ((*SCHEMAS, "ExportOutStatusEnum", "enum"), ["completed"]),
    "a refusal less": ((*POST, "responses", "422"), GONE),
    "another way in": ((*POST, "security"), [{"keycloak": []}, {"new": []}]),
    "other words": ((*POST, "description"), "Other words."),
    "one of several": ((*TITLE, "anyOf"), [{"type": "string"}, {"type": "integer"}]),
}


@pytest.mark.parametrize("name", HARMLESS)
def test_a_change_that_breaks_nobody_is_let_through(name: str) -> None:
    assert list(breaking.changes(DOCUMENT, planted(HARMLESS[name]))) == []


def test_a_schema_that_holds_itself_is_compared_once() -> None:
    tree = {"type": "array", "items": {"$ref": "#/components/schemas/TaskStatus"}}
    assert list(breaking.changes(*[planted(((*SCHEMAS, "TaskStatus"), tree))] * 2)) == []


def test_the_check_compares_with_the_released_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot, released = tmp_path / "now.json", tmp_path / "released.json"
    monkeypatch.setattr(openapi, "SNAPSHOT", snapshot)
    monkeypatch.setattr(openapi, "RELEASED", released)
    call_command("openapi", "--release", stdout=StringIO())
    text = snapshot.read_text(encoding="utf-8")
    openapi.check(text)
    released.write_text(json.dumps(planted(((*TITLE, "maxLength"), 500))), encoding="utf-8")
    with pytest.raises(CommandError, match="title: maxLength was 500, is 200"):
        openapi.check(text)
