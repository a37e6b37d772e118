"""A client of the change feed, as docs/api/changes.md describes it."""

from typing import Any

from config.data import consistency, transactions
from tests.cast import Caller
from tests.config.servers import eventually

CHANGES = "/v1/changes"


def read(caller: Caller, cursor: str | None, **query: Any) -> tuple[list[dict[str, Any]], str]:
    """All entries of what has been written by now, and where to go on."""
    rows: list[dict[str, Any]] = []
    headers = {"Consistency-Token": consistency.encode(transactions.current_id())}

    def once() -> bool:
        nonlocal cursor
        place = {} if cursor is None else {"cursor": cursor}
        answer = caller.get(CHANGES, headers=headers, **query, **place)
        assert answer.status_code == 200, answer.content
        page = answer.json()
        rows.extend(page["results"])
        cursor = page["next_cursor"]
        # Another database of the server may hold the feed up with a transaction of its own.
        query["wait"] = 1
        return bool(page["caught_up"])

    eventually(once, "the end of the feed", within=60)
    return rows, str(cursor)


def follow(caller: Caller, cursor: str | None = None, **query: Any) -> list[dict[str, Any]]:
    return read(caller, cursor, **query)[0]


def apply(caller: Caller, tasks: dict[str, Any], cursor: str | None, **query: Any) -> str:
    """What a client keeps, by id, brought up to date; the cursor to go on from."""
    rows, after = read(caller, cursor, **query)
    for row in rows:
        if row["task"] is None:
            tasks.pop(row["id"], None)
        else:
            tasks[row["id"]] = row["task"]
    return after


def listed(caller: Caller) -> dict[str, Any]:
    return {task["id"]: task for task in caller.pages("/v1/tasks")}
