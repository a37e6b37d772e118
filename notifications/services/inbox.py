"""Who is told what: one row for each person that an event concerns."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from accounts import services as accounts
from config.data import times
from notifications.models import EmailStatus, Notification
from notifications.services import preferences
from tasks_app import services as tasks

ASSIGNING = frozenset({"task.created", "task.updated"})
HEARD = ASSIGNING | {"task.completed", "task.purged"}


def concerns(event: Mapping[str, Any]) -> bool:
    """Whether there may be something to do: most changes assign the task to nobody, and an import is no news."""
    if (event["data"] or {}).get("imported"):
        return False
    return event["type"] not in ASSIGNING or _assigned_to(event) is not None


def note(event: Mapping[str, Any]) -> list[UUID]:
    """Makes the notifications of an event; returns those that have a mail to send. Once for each event and user."""
    if event["type"] == "task.purged":
        forget(UUID(event["subject"]))
        return []
    people = _concerned(event)
    title = tasks.title(UUID(event["subject"])) if people else None
    if title is None:
        return []  # the task was purged meanwhile: there is nothing left to tell
    rows = _rows(event, people, title)
    # A letter that is replayed after its event was forgotten meets the rows of the first time.
    Notification.objects.bulk_create(rows, ignore_conflicts=True)
    return [row.id for row in rows if row.email_status == EmailStatus.PENDING]


def _rows(event: Mapping[str, Any], people: list[str], title: str) -> list[Notification]:
    """One for each person who wants to be told, in the inbox or by mail."""
    type = "task.assigned" if event["type"] in ASSIGNING else event["type"]
    wanted, addresses = preferences.wanting(people, type), accounts.email_addresses(people)
    mailed = {person for person in people if "email" in wanted[person] and addresses.get(person)}
    return [
        Notification(
            user_id=person,
            event_id=event["id"],
            type=type,
            task_id=event["subject"],
            title=title,
            at=datetime.fromisoformat(event["at"]),
            inbox="inbox" in wanted[person],
            email_status=EmailStatus.PENDING if person in mailed else EmailStatus.NONE,
            email_at=datetime.now(UTC),
        )
        for person in people
        if "inbox" in wanted[person] or person in mailed
    ]


def forget(task: UUID) -> None:
    """A purge takes the text everywhere: the inbox holds the title."""
    Notification.objects.filter(task_id=task).delete()


def _concerned(event: Mapping[str, Any]) -> list[str]:
    """The owner and the assignee of a completed task; the new assignee of a new or changed one."""
    if event["type"] == "task.completed":
        people = [event["owner"], tasks.assignee(UUID(event["subject"]))]
    else:
        people = [person for person in [_assigned_to(event)] if person != event["actor"]]
    return list(dict.fromkeys(person for person in people if person))


def _assigned_to(event: Mapping[str, Any]) -> str | None:
    assignee: str | None = ((event["changes"] or {}).get("assignee") or {}).get("to")
    return assignee


def of(user: str) -> QuerySet[Notification]:
    """The user's inbox."""
    return Notification.objects.filter(user_id=user, inbox=True)


def mark_read(user: str, notification: UUID) -> Notification | None:
    """Marks one as read, at its first reading; None when the user has no such notification."""
    own = of(user).filter(id=notification)
    own.filter(read_at=None).update(read_at=times.now())
    return own.using("default").first()


def mark_all_read(user: str) -> int:
    return of(user).filter(read_at=None).update(read_at=times.now())
