"""The journey of one task through the whole system. The same steps run on the real servers and on `make run`."""

import csv
import io
import uuid
from typing import Any

import httpx

from tests.journeys.system import Caller, System, eventually

ENDS_WITHIN = 5.0  # seconds: the contract's bound for a logout or a disabled user to count everywhere
DELIVERED_WITHIN = 60.0  # seconds, a bound on waiting for the workers


def complete_a_task(alice: Caller, title: str, request_id: str) -> dict[str, Any]:
    created = alice.post("/v1/tasks", {"title": title, "labels": ["journey"]}, Idempotency_Key=str(uuid.uuid4()))
    assert created.status_code == 201, created.text
    task = created.json()
    assert created.headers["Location"] == f"/v1/tasks/{task['id']}"
    assert task["id"] in [row["id"] for row in alice.get("/v1/tasks").json()["results"]]

    completed = alice.patch(
        created.headers["Location"],
        {"status": "completed"},
        If_Match=created.headers["ETag"],
        X_Request_Id=request_id,
    )
    assert completed.status_code == 200, completed.text
    assert completed.headers["X-Request-Id"] == request_id
    assert completed.json()["completed_at"] is not None
    return dict(completed.json())


def the_mail_has_arrived(system: System, title: str, recipient: str) -> None:
    mails = eventually(lambda: system.mails(title), DELIVERED_WITHIN, f"a mail about {title!r}")
    assert len(mails) == 1
    assert mails[0]["to"][0]["address"] == recipient
    assert title in mails[0]["text"]


def completed_today(caller: Caller) -> int:
    answer = caller.get("/v1/analytics/daily").raise_for_status().json()
    return int(answer["results"][-1]["completed"])


def the_rollup_shows_it(caller: Caller, before: int) -> None:
    eventually(lambda: completed_today(caller) == before + 1, DELIVERED_WITHIN, "the daily number moved by one")


def finished_export(caller: Caller, format_: str = "csv", **filter_: Any) -> str:
    """The path of a finished export."""
    asked = caller.post("/v1/exports", {"format": format_, "filter": filter_})
    assert asked.status_code == 202, asked.text
    path = asked.headers["Location"]

    def finished() -> bool:
        export = caller.get(path).raise_for_status().json()
        assert export["status"] not in {"failed", "canceled", "expired"}, export
        return bool(export["status"] == "completed")

    eventually(finished, DELIVERED_WITHIN * 3, "the export is completed")
    return str(path)


def downloaded(caller: Caller, path: str) -> bytes:
    answer = caller.http.get(f"{path}/file", follow_redirects=True)
    assert answer.status_code == 200, answer.text
    return answer.content


def rows_of(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8"), newline="")))


def plain(cell: str) -> str:
    """A cell without the mark that keeps spreadsheets from taking text for a formula (docs/api/exports.md)."""
    return cell.removeprefix("'")


def nobody_else_gets(bob: Caller, *paths: str) -> None:
    for path in paths:
        refused = bob.get(path)
        assert refused.status_code == 404, (path, refused.text)
        assert refused.headers["Content-Type"] == "application/problem+json"


def the_request_is_in_the_logs(system: System, request_id: str) -> None:
    """One request id from the API through the relay to the worker."""
    for prefix in ("api-", "relay", "worker"):
        eventually(lambda: system.log_lines(prefix, request_id), 10, f"{request_id} in the log of {prefix}")  # noqa: B023
    line = next(line for line in system.log_lines("api-", request_id) if line["event"] == "request")
    assert {"timestamp", "level", "part", "user_id", "endpoint", "method", "status", "duration"} <= set(line)
    assert (line["method"], line["status"]) == ("PATCH", 200)


def is_refused(caller: Caller) -> bool:
    answer = caller.get("/v1/me")
    if answer.status_code == 200:
        return False
    assert answer.status_code == 401, answer.text
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]
    return True


def access_ends(caller: Caller, why: str) -> None:
    eventually(lambda: is_refused(caller), ENDS_WITHIN, f"the token is refused: {why}")


def checks(system: System) -> dict[str, str]:
    """What /readyz?verbose says of each part."""
    found = httpx.get(f"{system.url}/readyz", params={"verbose": ""}).json()["checks"]
    return {name: check["status"] for name, check in found.items()}
