"""/v1/me/preferences: what is told where, and that it is."""

from typing import Any

import pytest

from notifications.models import EmailStatus, Notification
from notifications.services import inbox, message
from tests.cast import Caller, assert_problem, pointers
from tests.events_by_hand import delivered
from tests.threads import at_once

URL = "/v1/me/preferences"
ON = {"inbox": True, "email": True, "push": True}
DEFAULT = {"time_zone": "UTC", "notifications": {"task.assigned": ON, "task.completed": ON}}


def muted(**channels: bool) -> dict[str, Any]:
    return {"notifications": {"task.completed": channels}}


def complete(owner: Caller) -> list[Notification]:
    """The notifications of one completed task."""
    task = owner.make(status="completed")
    inbox.note(delivered(task["id"], "task.completed")[0])
    return list(Notification.objects.filter(task_id=task["id"]))


def test_everything_is_on_for_one_who_has_said_nothing(alice: Caller) -> None:
    answer = alice.get(URL)
    assert answer.json() == DEFAULT
    assert answer.headers["ETag"] == '"0"'
    assert alice.get(URL, headers={"If-None-Match": '"0"'}).status_code == 304


def test_what_is_not_sent_stays_and_null_is_the_default(alice: Caller, bob: Caller) -> None:
    alice.patch(URL, {"time_zone": "Europe/Berlin", "notifications": {"task.assigned": {"inbox": False}}})
    answer = alice.patch(URL, muted(email=False))
    assert answer.json() == alice.get(URL).json()
    assert answer.json()["time_zone"] == "Europe/Berlin"
    assert answer.json()["notifications"] == {
        "task.assigned": {**ON, "inbox": False},
        "task.completed": {**ON, "email": False},
    }
    assert alice.patch(URL, {"notifications": {"task.assigned": None}}).json()["notifications"]["task.assigned"] == ON
    assert alice.patch(URL, {"notifications": {"task.completed": {"email": None}}, "time_zone": None}).json() == DEFAULT
    alice.patch(URL, muted(email=False))
    assert alice.patch(URL, {"notifications": None}).json() == DEFAULT
    assert bob.get(URL).json() == DEFAULT


def test_a_patch_that_changes_nothing_keeps_the_version(alice: Caller) -> None:
    assert alice.patch(URL, muted(email=True)).headers["ETag"] == '"0"'
    assert alice.patch(URL, muted(email=False)).headers["ETag"] == '"1"'
    assert alice.patch(URL, {}).headers["ETag"] == '"1"'


def test_a_lost_race_is_told(alice: Caller) -> None:
    alice.patch(URL, muted(email=False))
    answer = alice.patch(URL, muted(email=True), if_match='"0"')
    assert assert_problem(answer, 412)["version"] == 1
    assert alice.patch(URL, muted(push=False), if_match='"1"').status_code == 200


@pytest.mark.django_db(transaction=True)
def test_changes_at_the_same_time_all_count(alice: Caller) -> None:
    channels = ("inbox", "email", "push")
    answers = at_once(3, lambda number: alice.patch(URL, muted(**{channels[number]: False})))
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    final = alice.get(URL)
    assert final.json()["notifications"]["task.completed"] == dict.fromkeys(channels, False)
    assert final.headers["ETag"] == '"3"'


def test_every_bad_member_is_named_and_nothing_changes(alice: Caller) -> None:
    answer = alice.patch(
        URL,
        {
            "time_zone": "Mars/Olympus",
            "notifications": {"task.completed": {"sms": True, "email": "no"}, "task.eaten": {}, "task.assigned": []},
            "volume": 11,
        },
    )
    assert set(pointers(answer)) == {
        "#/time_zone",
        "#/volume",
        "#/notifications/task.completed/sms",
        "#/notifications/task.completed/email",
        "#/notifications/task.eaten",
        "#/notifications/task.assigned",
    }
    assert alice.get(URL).json() == DEFAULT


@pytest.mark.parametrize("name", ["", " ", "localtime", "Factory", "UTC "])
def test_a_time_zone_is_one_everywhere(alice: Caller, name: str) -> None:
    assert pointers(alice.patch(URL, {"time_zone": name})).keys() == {"#/time_zone"}


def test_a_muted_mail_is_not_sent_and_a_muted_inbox_shows_nothing(alice: Caller) -> None:
    assert [row.email_status for row in complete(alice)] == [EmailStatus.PENDING]
    alice.patch(URL, muted(email=False))
    assert [row.email_status for row in complete(alice)] == [EmailStatus.NONE]
    alice.patch(URL, muted(email=True, inbox=False))
    (row,) = complete(alice)
    assert row.email_status == EmailStatus.PENDING
    assert str(row.id) not in {shown["id"] for shown in alice.pages("/v1/notifications")}
    assert_problem(alice.post(f"/v1/notifications/{row.id}/read"), 404)
    assert alice.post("/v1/notifications/read-all").json() == {"read": 2}
    alice.patch(URL, muted(email=False))
    assert complete(alice) == []


def test_who_is_given_a_new_task_is_told(alice: Caller, bob: Caller) -> None:
    task = alice.make(title="For bob", assignee=bob.id)
    (created,) = delivered(task["id"], "task.created")
    assert inbox.concerns(created)
    inbox.note(created)
    (row,) = bob.pages("/v1/notifications")
    assert (row["type"], row["title"], row["task_id"]) == ("task.assigned", "For bob", task["id"])
    assert alice.pages("/v1/notifications") == []


def test_events_that_tell_nobody_are_spared_the_queue(alice: Caller, bob: Caller) -> None:
    task = alice.make(assignee=bob.id)
    alice.patch(f"/v1/tasks/{task['id']}", {"title": "y"})
    alice.patch(f"/v1/tasks/{task['id']}", {"assignee": None})
    alice.patch(f"/v1/tasks/{task['id']}", {"status": "completed"})
    concerned = [(event["type"], inbox.concerns(event)) for event in delivered(task["id"])]
    updated = ("task.updated", False)
    assert concerned == [("task.created", True), updated, updated, updated, ("task.completed", True)]


def test_a_mail_tells_the_time_where_its_reader_is(alice: Caller) -> None:
    alice.patch(URL, {"time_zone": "Asia/Kolkata"})
    (row,) = complete(alice)
    row.at = row.at.replace(year=2026, month=3, day=5, hour=20, minute=0)
    mail = message.compose(row)
    html, _ = mail.alternatives[0]
    for text in (mail.body, html):
        assert "6 March 2026, 01:30 IST" in str(text)
