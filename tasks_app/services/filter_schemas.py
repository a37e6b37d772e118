"""The task list's filters as JSON schemas: for the query of a list and for the body of an export."""

from collections.abc import Sequence
from typing import Any

from tasks_app.models import Priority, Status
from tasks_app.services import filters

Schema = dict[str, Any]


def text(longest: int) -> Schema:
    return {"type": "string", "minLength": 1, "maxLength": longest}


def comma_list(words: Sequence[str]) -> Schema:
    one = f"({'|'.join(words)})"
    return {"type": "string", "pattern": f"^{one}(,{one})*$"}


_TIME = {"type": "string", "format": "date-time"}
FILTERS: dict[str, Schema] = {
    "status": comma_list(Status.values),
    "priority": comma_list(Priority.values),
    "label": text(50),
    "assignee": text(255),
    "owner": text(255),
    "q": {**text(filters.MAX_SEARCH), "pattern": r"\S"},
    **dict.fromkeys(("due_after", "due_before", "created_after", "created_before", "updated_after"), _TIME),
}
