"""A purge takes the title out of the inbox, also when it comes while the notification is being made."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections, transaction

from notifications.models import Notification
from notifications.services import inbox
from tests.cast import Caller
from tests.events.broker import eventually
from tests.events_by_hand import delivered
from tests.locks import somebody_waits
from tests.notifications.test_notifications_email import completed

pytestmark = pytest.mark.django_db(transaction=True)


def purge(owner: Caller, task: str) -> int:
    try:
        return int(owner.delete(f"/v1/trash/{task}").status_code)
    finally:
        connections.close_all()


def test_a_purge_waits_for_a_notification_that_is_being_made(alice: Caller) -> None:
    """Otherwise its event could be consumed first, and the title would stay."""
    event = completed(alice, title="a secret")
    task = event["subject"]
    assert alice.delete(f"/v1/tasks/{task}").status_code == 204
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            inbox.note(event)
            purging = pool.submit(purge, alice, task)
            eventually(somebody_waits, within=20, what="a purge that waits")
        assert purging.result() == 204
    (purged,) = delivered(task, "task.purged")
    inbox.note(purged)
    assert Notification.objects.count() == 0


def test_a_change_does_not_wait_for_it(alice: Caller) -> None:
    event = completed(alice)
    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        inbox.note(event)
        assert pool.submit(_rename, alice, event["subject"]).result(timeout=30) == 200


def _rename(owner: Caller, task: str) -> int:
    try:
        return int(owner.patch(f"/v1/tasks/{task}", {"title": "another"}).status_code)
    finally:
        connections.close_all()
