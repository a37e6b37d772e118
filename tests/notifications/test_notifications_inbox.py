"""/v1/notifications: one's own, newest first, read once."""

from uuid import UUID

from notifications.models import Notification
from notifications.services import inbox
from tests.cast import Caller, assert_problem
from tests.events_by_hand import delivered


def note_completed(owner: Caller, title: str) -> str:
    task = owner.make(title=title, status="completed")
    inbox.note(delivered(task["id"], "task.completed")[0])
    return str(task["id"])


def test_the_inbox_has_ones_own_newest_first(alice: Caller, bob: Caller) -> None:
    tasks = [note_completed(alice, f"task {number}") for number in range(3)]
    note_completed(bob, "his")
    rows = alice.pages("/v1/notifications", page_size=2)
    assert [row["task_id"] for row in rows] == tasks[::-1]
    assert set(rows[0]) == {"id", "type", "task_id", "title", "at", "read_at"}
    assert (rows[0]["type"], rows[0]["title"], rows[0]["read_at"]) == ("task.completed", "task 2", None)


def test_reading_counts_once(alice: Caller) -> None:
    note_completed(alice, "x")
    path = f"/v1/notifications/{alice.pages('/v1/notifications')[0]['id']}/read"
    first = alice.post(path).json()
    assert first["read_at"] is not None
    assert alice.post(path).json() == first


def test_a_reading_is_a_write_like_any_other(alice: Caller) -> None:
    """Its token makes the next read see it on any replica; its key makes a repeated call the same call."""
    note_completed(alice, "x")
    path = f"/v1/notifications/{alice.pages('/v1/notifications')[0]['id']}/read"
    for write in (path, "/v1/notifications/read-all"):
        first = alice.post(write, idempotency_key="once")
        again = alice.post(write, idempotency_key="once")
        assert first.headers["Consistency-Token"]
        assert again.headers["Idempotency-Replayed"] == "true"
        assert again.content == first.content


def test_anothers_notification_is_404_and_stays_unread(alice: Caller, bob: Caller) -> None:
    note_completed(alice, "x")
    (row,) = alice.pages("/v1/notifications")
    assert_problem(bob.post(f"/v1/notifications/{row['id']}/read"), 404)
    assert alice.pages("/v1/notifications") == [row]


def test_read_all_reads_ones_own(alice: Caller, bob: Caller) -> None:
    note_completed(alice, "x")
    note_completed(alice, "y")
    note_completed(bob, "his")
    assert alice.post("/v1/notifications/read-all").json() == {"read": 2}
    assert all(row["read_at"] for row in alice.pages("/v1/notifications"))
    assert [row["read_at"] for row in bob.pages("/v1/notifications")] == [None]


def test_a_purge_takes_the_title_out_of_the_inbox(alice: Caller) -> None:
    task = note_completed(alice, "a secret")
    alice.delete(f"/v1/tasks/{task}")
    assert alice.delete(f"/v1/trash/{task}").status_code == 204
    (event,) = delivered(task, "task.purged")
    inbox.note(event)
    assert not Notification.objects.filter(task_id=UUID(task)).exists()


def test_an_event_about_a_purged_task_tells_nobody(alice: Caller) -> None:
    task = alice.make(status="completed")
    (event,) = delivered(task["id"], "task.completed")
    alice.delete(f"/v1/tasks/{task['id']}")
    alice.delete(f"/v1/trash/{task['id']}")
    assert inbox.note(event) == []
    assert Notification.objects.count() == 0
