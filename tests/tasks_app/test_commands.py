"""The commands about tasks: the demo's tasks, and the trash after its time"""

from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command

from config.events.models import Event
from tasks_app.models import Task
from tasks_app.services import trash
from tests.cast import Caller, assert_problem
from tests.tasks_app.test_tasks_get import where

pytestmark = pytest.mark.django_db


def test_seed_demo_gives_alice_and_bob_their_tasks_once(alice: Caller, bob: Caller) -> None:
    for _ in range(2):
        call_command("seed_demo", stdout=StringIO())
    rows = alice.get("/v1/tasks").json()["results"]
    assert len(rows) == len(bob.get("/v1/tasks").json()["results"]) == 5
    assert {event.version for event in Event.objects.filter(type="task.created")} == {1}
    assert Event.objects.count() == Task.objects.count() == 10
    changed = alice.patch(where(rows[0]), {"status": "completed"})
    assert (changed.status_code, changed.json()["version"]) == (200, 2)


def test_purge_removes_what_was_in_the_trash_for_too_long(alice: Caller, settings: Any) -> None:
    old, new, alive = alice.make(title="secret"), alice.make(), alice.make()
    for task in (old, new):
        alice.delete(where(task))
    limit = datetime.now(UTC) - timedelta(seconds=settings.TRASH_RETENTION)
    Task.objects.filter(id=old["id"]).update(deleted_at=limit - timedelta(seconds=1))
    Task.objects.filter(id=new["id"]).update(deleted_at=limit + timedelta(minutes=1))
    assert (trash.purge_old(), trash.purge_old()) == (1, 0)
    assert {str(task.id) for task in Task.objects.all()} == {new["id"], alive["id"]}
    assert_problem(alice.get(f"{where(old)}/history"), 404)
    purged = Event.objects.get(type="task.purged")
    assert (str(purged.subject), purged.version, purged.owner) == (old["id"], 3, alice.id)
    assert not Event.objects.filter(subject=old["id"]).exclude(changes=None).exists()


def test_purge_says_what_it_removed(alice: Caller) -> None:
    out = StringIO()
    call_command("purge", stdout=out)
    assert any("trash" in line and line.endswith(": 0 removed") for line in out.getvalue().splitlines())
