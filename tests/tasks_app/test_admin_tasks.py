"""The admin's page of tasks: what it says of what it did, what history it shows, and that it never counts a table."""

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.messages import get_messages
from django.contrib.messages.storage.cookie import CookieStorage
from django.test import RequestFactory

from accounts.models import User
from config.keyset_admin import KeysetAdmin
from tasks_app import admin as tasks_admin
from tasks_app.models import Task
from tests.accounts.keycloak import ADA
from tests.cast import Caller

pytestmark = pytest.mark.django_db
PAGE: Any = admin.site.get_model_admin(Task)


@pytest.fixture
def request_of_ada(rf: RequestFactory) -> Any:
    request: Any = rf.get("/admin/tasks_app/task/")
    request.user = User.objects.create(id=ADA, username="ada", is_staff=True, is_superuser=True)
    request._messages = CookieStorage(request)
    return request


def said(request: Any) -> list[str]:
    return [str(message) for message in get_messages(request)]


def test_the_trash_is_told_how_many_were_moved(alice: Caller, request_of_ada: Any) -> None:
    for title in ("one", "two"):
        alice.make(title=title)
    PAGE.move_to_trash(request_of_ada, Task.objects.alive())
    assert said(request_of_ada) == ["2 of 2 selected tasks changed."]


def test_what_was_completed_already_is_told_apart(alice: Caller, request_of_ada: Any) -> None:
    alice.make(status="completed")
    alice.make()
    PAGE.complete(request_of_ada, Task.objects.alive())
    assert said(request_of_ada) == ["1 of 2 selected tasks changed; the others were so already."]


def test_a_long_history_ends_with_what_happened_last(
    alice: Caller, request_of_ada: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks_admin, "HISTORY_LENGTH", 2)
    task = alice.make()
    for title in ("second", "third"):
        alice.patch(f"/v1/tasks/{task['id']}", {"title": title})
    page = PAGE.history_view(request_of_ada, task["id"]).content.decode()
    assert "task.created" not in page
    assert 0 < page.index("→ second") < page.index("→ third")


def test_no_list_offers_to_count_its_table() -> None:
    lists = [page for page in admin.site._registry.values() if isinstance(page, KeysetAdmin)]
    assert len(lists) > 3
    assert {page.show_facets for page in lists} == {admin.ShowFacets.NEVER}


def test_the_link_to_the_site_leads_somewhere(alice: Caller) -> None:
    assert alice.get(str(admin.site.site_url)).status_code == 200
