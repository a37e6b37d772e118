"""What the OpenAPI document says beyond what drf-spectacular reads from the code: its last steps."""

from typing import Any

from config.api import answer_headers

Document = dict[str, Any]


def finish(result: Document, **_: Any) -> Document:
    """A postprocessing hook of drf-spectacular."""
    for name, schema in result["components"]["schemas"].items():
        if name.endswith("Request") and "properties" in schema:
            schema.setdefault("additionalProperties", False)  # an unknown member is refused
    for path, methods in result["paths"].items():
        for operation in methods.values():
            if "requestBody" in operation:
                operation["requestBody"]["required"] = True  # no body is no JSON
            if any(found["name"] == "If-None-Match" for found in operation.get("parameters", ())):
                operation["responses"]["304"] = {"description": "The version that you have still stands."}
            _select(result["components"]["schemas"], operation)
        _link(result, path, methods)
    answer_headers.describe(result)
    return result


def _select(schemas: Document, operation: Document) -> None:
    """Where `fields` chooses members, the rows of the answer may hold only some of them."""
    if not any(found["name"] == "fields" for found in operation.get("parameters", ())):
        return
    content = operation["responses"]["200"]["content"]["application/json"]
    page = schemas[_name(content["schema"])]
    results = page["properties"]["results"]
    row = _name(results["items"])
    some = {name: value for name, value in schemas[row].items() if name != "required"}
    schemas[f"{row}Fields"] = {**some, "description": "The members that `fields` names, and no others."}
    rows = {**results, "items": {"anyOf": [_reference(row), _reference(f"{row}Fields")]}}
    schemas[f"{row}FieldsPage"] = {**page, "properties": {**page["properties"], "results": rows}}
    content["schema"] = _reference(f"{row}FieldsPage")


def _name(reference: Document) -> str:
    return str(reference["$ref"].rpartition("/")[2])


def _reference(name: str) -> Document:
    return {"$ref": f"#/components/schemas/{name}"}


def _link(document: Document, path: str, methods: Document) -> None:
    """From a POST that makes something to all that can be done with what it made."""
    operations = [
        operation["operationId"]
        for place, found in document["paths"].items()
        if place == f"{path}/{{id}}" or place.startswith(f"{path}/{{id}}/")
        for operation in found.values()
    ]
    for status, answer in methods.get("post", {}).get("responses", {}).items():
        if status in {"201", "202"} and operations:
            answer["links"] = {name: _to(name, "$response.body#/id") for name in operations}
    if path == "/v1/tasks/{id}":
        names = ("tasks_restore_create", "trash_destroy")
        methods["delete"]["responses"]["204"]["links"] = {name: _to(name, "$request.path.id") for name in names}


def _to(operation: str, identifier: str) -> Document:
    return {"operationId": operation, "parameters": {"id": identifier}}
