"""Who is told what: one row for each person that an event concerns."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from accounts import services as accounts
from config.data import times
from notifications.models import EmailStatus, Notification
from tasks_app import services as tasks

HEARD = frozenset({"task.completed", "task.updated", "task.purged"})


def note(event: Mapping[str, Any]) -> list[UUID]:
    """Makes the notifications of an event; returns those that have a mail to send. Once for each event and user."""
    if event["type"] == "task.purged":
        forget(UUID(event["subject"]))
        return []
    people = _concerned(event)
    title = tasks.title(UUID(event["subject"])) if people else None
    if title is None:
        return []  # the task was purged meanwhile: there is nothing left to tell
    addresses = accounts.email_addresses(people)
    rows = [
        Notification(
            user_id=person,
            event_id=event["id"],
            type="task.assigned" if event["type"] == "task.updated" else event["type"],
            task_id=event["subject"],
            title=title,
            at=datetime.fromisoformat(event["at"]),
            email_status=EmailStatus.PENDING if addresses.get(person) else EmailStatus.NONE,
            email_at=datetime.now(UTC),
        )
        for person in people
    ]
    # A letter that is replayed after its event was forgotten meets the rows of the first time.
    Notification.objects.bulk_create(rows, ignore_conflicts=True)
    return [row.id for row in rows if row.email_status == EmailStatus.PENDING]


def forget(task: UUID) -> None:
    """A purge takes the text everywhere: the inbox holds the title."""
    Notification.objects.filter(task_id=task).delete()


def _concerned(event: Mapping[str, Any]) -> list[str]:
    """The owner and the assignee of a completed task; the new assignee of a changed one."""
    if event["type"] == "task.completed":
        people = [event["owner"], tasks.assignee(UUID(event["subject"]))]
    else:
        people = [((event["changes"] or {}).get("assignee") or {}).get("to")]
        people = [person for person in people if person != event["actor"]]
    return list(dict.fromkeys(person for person in people if person))


def mark_read(user: str, notification: UUID) -> Notification | None:
    """Marks one as read, at its first reading; None when the user has no such notification."""
    own = Notification.objects.filter(user_id=user, id=notification)
    own.filter(read_at=None).update(read_at=times.now())
    return own.using("default").first()


def mark_all_read(user: str) -> int:
    return Notification.objects.filter(user_id=user, read_at=None).update(read_at=times.now())
