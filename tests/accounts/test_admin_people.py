"""Rows that hold a user's id, in the admin: told by name, found by name, and each page opens."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from analytics.models import DailyRollup
from exports.models import Export
from notifications.models import Notification, Preferences
from tests.cast import PEOPLE, Caller
from tests.tasks_app.test_admin import entered

pytestmark = pytest.mark.django_db
STRANGER = "somebody-who-never-called"
NOON = datetime(2026, 11, 2, 12, 30, 15, tzinfo=UTC)
LISTS: dict[str, Callable[[str], Any]] = {
    "analytics/dailyrollup": lambda user: DailyRollup.objects.create(owner=user, date=NOON.date(), created=3),
    "exports/export": lambda user: Export.objects.create(owner=user, format="csv", created_at=NOON, bytes=2048),
    "notifications/notification": lambda user: Notification.objects.create(
        user_id=user, event_id=uuid.uuid4(), type="task.completed", task_id=uuid.uuid4(), title="Done", at=NOON
    ),
    "notifications/preferences": lambda user: Preferences.objects.create(
        user_id=user, version=1, time_zone="UTC", muted=[]
    ),
}


def found(admin: Client, path: str, words: str) -> list[Any]:
    return [row.pk for row in admin.get(f"/admin/{path}/", {"q": words}).context["cl"].result_list]


@pytest.fixture
def admin(alice: Caller) -> Client:
    """After alice has called: her name is known from her token."""
    alice.get("/v1/me")
    return entered("ada", staff=True)


@pytest.mark.parametrize("path", LISTS)
def test_admin_lists_people_by_name(admin: Client, path: str) -> None:
    hers, stranger = LISTS[path](PEOPLE["alice"].id), LISTS[path](STRANGER)
    page = admin.get(f"/admin/{path}/").content.decode()
    assert ">alice<" in page
    assert f">{STRANGER}<" in page
    assert found(admin, path, "alic") == [hers.pk]
    assert found(admin, path, STRANGER) == [stranger.pk]


@pytest.mark.parametrize("path", LISTS)
def test_admin_opens_a_row_with_its_key_and_without_an_empty_history(admin: Client, path: str) -> None:
    row = LISTS[path](PEOPLE["alice"].id)
    page = admin.get(f"/admin/{path}/{row.pk}/change/").content.decode()
    assert str(row.pk) in page[page.index('<div class="readonly">') :].split("</div>", 1)[0]
    assert "historylink" not in page


def test_admin_tells_times_with_seconds_and_zone(admin: Client) -> None:
    LISTS["exports/export"](PEOPLE["alice"].id)
    assert "2026-11-02 12:30:15 UTC" in admin.get("/admin/exports/export/").content.decode()
