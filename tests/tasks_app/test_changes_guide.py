"""docs/api/changes.md: its client, run as it stands there"""

import json
import re
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest
from django.db import connection

from tests.cast import Caller
from tests.tasks_app.feed import listed, read
from tests.tasks_app.test_tasks_get import where

pytestmark = pytest.mark.django_db(transaction=True)
PAGE = Path(__file__).resolve().parents[2] / "docs" / "api" / "changes.md"


@pytest.fixture
def client(alice: Caller, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The names that the guide defines; only its one call over the network goes through the test client."""
    for name in ("API", "TOKEN"):
        monkeypatch.setenv(name, "of the shell")
    names: dict[str, Any] = {}
    exec("\n".join(re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)), names)

    def get(path: str) -> Any:
        answer = alice.get(path)
        if answer.status_code != 200:
            raise HTTPError(path, answer.status_code, "", answer.headers, BytesIO(answer.content))
        return answer.json()

    names["get"] = get
    return names


def test_the_guides_client_keeps_exactly_the_list(client: dict[str, Any], alice: Caller) -> None:
    made = [alice.make(title=f"{number}") for number in range(4)]
    tasks = client["whole_list"]()
    cursor = client["sync"](tasks, None)
    alice.patch(where(made[0]), {"title": "changed"})
    alice.delete(where(made[1]))
    cursor = client["sync"](tasks, cursor)
    assert tasks == listed(alice)
    alice.post(f"{where(made[1])}/restore")
    alice.make()
    client["sync"](tasks, cursor, wait=1)
    assert tasks == listed(alice)
    assert len(tasks) == 5


def test_the_guides_client_begins_anew_when_its_cursor_is_too_old(client: dict[str, Any], alice: Caller) -> None:
    gone = alice.make()
    tasks = client["whole_list"]()
    cursor = client["sync"](tasks, None)
    alice.delete(where(gone))
    kept = alice.make()
    read(alice, cursor)  # the end of the transactions that hold the feed up
    with connection.cursor() as sql:
        sql.execute(
            "INSERT INTO events_cursor (name, xid, id) SELECT 'dropped', xid, id FROM event"
            " WHERE owner = %s ORDER BY xid DESC, id DESC LIMIT 1",
            [alice.id],
        )
    client["sync"](tasks, cursor)
    assert list(tasks) == [kept["id"]]
    assert json.dumps(tasks) == json.dumps(listed(alice))
