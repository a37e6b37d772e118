"""What the OpenAPI document says of the headers of answers. `required` are those that are always there."""

from typing import Any

Document = dict[str, Any]


def _text(description: str, *, always: bool = True, **schema: Any) -> Document:
    return {"description": description, "required": always, "schema": {"type": "string", **schema}}


HEADERS: Document = {
    "X-Request-Id": _text("Names this call in the logs: yours, or a new one.", pattern="^[A-Za-z0-9._-]{1,64}$"),
    "RateLimit-Policy": _text('Each limit that the call counted under: `"user";q=600;w=60` is 600 calls in 60 s.'),
    "RateLimit": _text('What is left of each: `"user";r=598;t=60` is 598 calls, and 60 s until some are free again.'),
    "Cache-Control": _text("`private, no-cache`, or `no-store`: nobody but you may keep it, and only to ask again."),
    "ETag": _text('The version, such as `"3"`: for `If-Match`, and `If-None-Match`.', pattern='^"[0-9]+"$'),
    "Location": _text("The path of what was made."),
    "Link": _text('The next page: `<…>; rel="next"`, relative. Not on the last one.', always=False),
    "Consistency-Token": _text("Send it with a read, which then sees this write wherever it goes.", always=False),
    "Idempotency-Replayed": _text("`true`: the stored answer of the first call with this key.", always=False),
    "WWW-Authenticate": _text("What is wrong with the token, or which permission is missing (RFC 6750)."),
    "Retry-After": {"description": "Seconds.", "required": True, "schema": {"type": "integer", "minimum": 1}},
}
_EVERY_SUCCESS = ("X-Request-Id", "RateLimit-Policy", "RateLimit", "Cache-Control")
_OF_PROBLEM = {
    "401": ("WWW-Authenticate",),
    "403": ("WWW-Authenticate",),
    "429": ("RateLimit-Policy", "RateLimit", "Retry-After"),
    "503": ("Retry-After",),
}


def describe(document: Document) -> None:
    document["components"]["headers"] = HEADERS
    for methods in document["paths"].values():
        for method, operation in methods.items():
            for status, answer in operation["responses"].items():
                names = _names(document, method, operation, status)
                answer["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _names(document: Document, method: str, operation: Document, status: str) -> list[str]:
    sent = {parameter["name"] for parameter in operation.get("parameters", ())}
    if status >= "400":
        version = ("ETag",) if status == "412" and "If-Match" in sent else ()
        return ["X-Request-Id", *_OF_PROBLEM.get(status, ()), *version]
    names = [*_EVERY_SUCCESS]
    if sent & {"If-Match", "If-None-Match"} and status != "204":
        names.append("ETag")
    if status in {"201", "202"}:
        names += ["ETag", "Location"] if status == "201" else ["Location"]
    if method != "get":
        names.append("Consistency-Token")
    if "Idempotency-Key" in sent:
        names.append("Idempotency-Replayed")
    if "next_cursor" in _members(document, operation["responses"][status]):
        names.append("Link")
    return names


def _members(document: Document, answer: Document) -> Document:
    schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
    found = document["components"]["schemas"].get(str(schema.get("$ref", "")).rpartition("/")[2], {})
    members: Document = found.get("properties", {})
    return members
