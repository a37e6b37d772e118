from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand
from django.db import transaction

from accounts.models import User
from config.data import ids
from config.events import log
from config.events.log import NewEvent
from tasks_app.models import Task
from tasks_app.representation import plain
from tasks_app.services import rules

# The demo users of the realm file (docker/keycloak/taskmill-realm.json).
_PEOPLE = {
    "alice": "00000000-0000-4000-8000-000000000001",
    "bob": "00000000-0000-4000-8000-000000000002",
}
_DEMO = (
    ("Read the API documentation", "It is at /v1/docs; press Authorize and paste a token.", "high", 1),
    ("Create a task with an Idempotency-Key", "Send it twice: it is made once.", "normal", 2),
    ("Change a task with If-Match", "Use the ETag that you got.", "normal", 3),
    ("Complete a task", "An e-mail arrives in the inbox.", "urgent", 0),
    ("Export your tasks as CSV", "POST /v1/exports, then follow Location.", "low", 7),
)


class Command(BaseCommand):
    help = "Gives the demo users a few tasks. A user who has any task is left alone, so it may run at every start."

    def handle(self, **_: Any) -> None:
        for name, user_id in _PEOPLE.items():
            User.objects.get_or_create(id=user_id, defaults={"username": name, "email": f"{name}@example.com"})
            self.stdout.write(f"{name}: {self._seed(user_id)} tasks made")

    def _seed(self, owner: str) -> int:
        if Task.objects.filter(owner_id=owner).exists():
            return 0
        with transaction.atomic():
            for title, description, priority, days in _DEMO:
                self._make(owner, title, description, priority, days)
        return len(_DEMO)

    def _make(self, owner: str, title: str, description: str, priority: str, days: int) -> None:
        identifier = ids.uuid7()
        at = ids.instant(identifier)
        fields = {
            "title": title,
            "description": description,
            "priority": priority,
            "due_at": at + timedelta(days=days),
            "labels": ["demo"],
        }
        Task.objects.create(**{**rules.DEFAULTS, **fields}, id=identifier, owner_id=owner, created_at=at, updated_at=at)
        changes = {name: {"from": None, "to": plain(value)} for name, value in fields.items()}
        event = NewEvent(type="task.created", subject=identifier, owner=owner, actor=owner, version=1, changes=changes)
        log.append([event])
