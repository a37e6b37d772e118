"""An answer of this process held against what the OpenAPI document says of it."""

import json
import re
from typing import Any

from config.api.schema import SNAPSHOT
from tests.cast import Answer

DOCUMENT: dict[str, Any] = json.loads(SNAPSHOT.read_text(encoding="utf-8"))


def assert_documented(method: str, route: str, answer: Answer) -> None:
    """Its status, its media type, and each header that is always there, as it is described."""
    path = re.sub(r"<\w+:(\w+)>", r"{\1}", f"/{route}")
    told = DOCUMENT["paths"][path][method.lower()]["responses"][str(answer.status_code)]
    media = answer.headers.get("Content-Type", "").partition(";")[0]
    assert media in told["content"] if told.get("content") else not media
    for name, reference in told["headers"].items():
        header = DOCUMENT["components"]["headers"][reference["$ref"].rpartition("/")[2]]
        value = answer.headers.get(name)
        assert value is not None or not header["required"], (method, path, answer.status_code, name)
        if value is not None and header["schema"]["type"] == "integer":
            assert int(value) >= header["schema"]["minimum"]
        elif value is not None:
            assert re.search(header["schema"].get("pattern", ""), value), (name, value)
