"""Tasks in the Django admin: found by index, read, and changed by the API's own writes in the admin's name"""

import time
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from config.data import ids
from config.events.models import Event
from tasks_app.models import Task
from tests.cast import PEOPLE, Caller
from tests.tasks_app.test_tasks_get import where

pytestmark = pytest.mark.django_db
PAGE = "/admin/tasks_app/task/"


def entered(name: str, *, staff: bool) -> Client:
    """A browser after a login."""
    person = PEOPLE[name]
    user, _ = User.objects.update_or_create(
        id=person.id, defaults={"username": name, "is_staff": staff, "is_superuser": staff}
    )
    browser = Client()
    browser.force_login(user, backend="accounts.backend.KeycloakBackend")
    session = browser.session
    session["keycloak"] = {"sid": "", "iat": int(time.time()), "seen": int(time.time())}
    session.save()
    return browser


@pytest.fixture
def admin(client_for: Any) -> Client:
    return entered("ada", staff=True)


def titles(browser: Client, **query: str) -> list[str]:
    answer = browser.get(PAGE, query)
    assert answer.status_code == 200
    return [task.title for task in answer.context["cl"].result_list]


def act(browser: Client, action: str, *tasks: dict[str, Any]) -> str:
    chosen = [task["id"] for task in tasks]
    answer = browser.post(PAGE, {"action": action, "_selected_action": chosen}, follow=True)
    assert answer.status_code == 200
    return " ".join(str(message) for message in answer.context["messages"])


def test_admin_is_for_staff_only(alice: Caller) -> None:
    task = alice.make()
    for browser in (Client(), entered("bob", staff=False)):
        for path in (PAGE, f"{PAGE}{task['id']}/change/", f"{PAGE}{task['id']}/history/"):
            assert browser.get(path).status_code == 302
    assert Task.objects.get().version == 1


def test_admin_lists_everybodys_living_tasks_newest_first(admin: Client, alice: Caller, bob: Caller) -> None:
    alice.make(title="first")
    bob.make(title="second")
    gone = alice.make(title="gone")
    alice.delete(where(gone))
    assert sorted(titles(admin)) == ["first", "second"]
    assert titles(admin, trash="yes") == ["gone"]


def test_admin_finds_by_id_owner_and_text(admin: Client, alice: Caller, bob: Caller) -> None:
    task = alice.make(title="Paint the fence")
    alice.get("/v1/me")
    bob.make(title="His own", description="about the fence")
    assert titles(admin, q=task["id"]) == ["Paint the fence"]
    assert titles(admin, q="alice") == ["Paint the fence"]
    assert titles(admin, q="bob@example.com") == ["His own"]
    assert sorted(titles(admin, q="fence")) == ["His own", "Paint the fence"]
    assert titles(admin, q="nothing of it") == []


@pytest.mark.parametrize("words", ["'", "%", "\\", "a" * 500, "<script>", "0192f0c1-d2e3-7b5a-8000-000000000000"])
def test_admin_takes_any_words(admin: Client, words: str) -> None:
    assert titles(admin, q=words) == []


@pytest.mark.parametrize("query", [{"before": "x"}, {"q": "a\0b"}, {"trash": "\0"}, {"owner__email": "a"}])
def test_admin_answers_a_forged_address_with_a_refusal(admin: Client, query: dict[str, str]) -> None:
    assert admin.get(PAGE, query).status_code in {200, 302, 400}


def test_admin_pages_by_key_with_the_same_queries_on_every_page(admin: Client, alice: Caller) -> None:
    now = datetime.now(UTC)
    Task.objects.bulk_create(
        Task(id=ids.uuid7(now), title=f"{n}", owner_id=alice.id, created_at=now, updated_at=now) for n in range(120)
    )
    counts, seen, link = [], [], PAGE
    while link:
        with CaptureQueriesContext(connection) as captured:
            answer = admin.get(link)
        counts.append(len(captured))
        statements = " ".join(each["sql"] for each in captured.captured_queries).upper()
        assert "COUNT(" not in statements
        assert "OFFSET" not in statements
        page = answer.context["cl"]
        seen += [task.id for task in page.result_list]
        link = page.older and PAGE + page.older
    assert len(seen) == len(set(seen)) == 120
    assert seen == sorted(seen, reverse=True)
    assert max(counts) <= 7
    assert len(set(counts)) == 1


def test_admin_shows_the_tasks_of_an_owner_who_never_called(admin: Client) -> None:
    now = datetime.now(UTC)
    task = Task.objects.create(title="imported", owner_id="nobody-yet", created_at=now, updated_at=now)
    assert titles(admin) == ["imported"]
    assert admin.get(f"{PAGE}{task.id}/change/").status_code == 200


def test_admin_shows_markup_as_text(admin: Client, alice: Caller) -> None:
    task = alice.make(title="<script>alert(1)</script>{{ settings.SECRET_KEY }}", labels=["<b>"])
    alice.patch(where(task), {"description": "<img src=x onerror=alert(1)>"})
    for path in (PAGE, f"{PAGE}{task['id']}/change/", f"{PAGE}{task['id']}/history/"):
        page = admin.get(path).content.decode()
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert "&lt;script&gt;" in page


def test_admin_cannot_add_change_or_delete_past_the_services(admin: Client, alice: Caller) -> None:
    task = alice.make()
    page = f"{PAGE}{task['id']}"
    assert admin.get(f"{PAGE}add/").status_code == 403
    assert admin.post(f"{PAGE}add/", {"title": "x"}).status_code == 403
    assert admin.get(f"{page}/change/").status_code == 200
    assert admin.post(f"{page}/change/", {"title": "x"}).status_code == 403
    assert admin.post(f"{page}/delete/", {"post": "yes"}).status_code == 403
    assert alice.get(where(task)).json() == task


def test_admin_completes_by_the_apis_own_write(admin: Client, alice: Caller) -> None:
    task, done = alice.make(), alice.make(status="completed")
    assert "1 of 2 selected tasks changed" in act(admin, "complete", task, done)
    after = alice.get(where(task)).json()
    assert (after["status"], after["version"], after["completed_at"] is not None) == ("completed", 2, True)
    assert alice.get(where(done)).json() == done
    event = Event.objects.get(type="task.updated")
    assert (event.actor, event.owner) == (PEOPLE["ada"].id, alice.id)
    assert event.changes == {"status": {"from": "pending", "to": "completed"}}


def test_admin_moves_to_the_owners_trash(admin: Client, alice: Caller) -> None:
    task = alice.make()
    assert "1 of 1 selected tasks changed" in act(admin, "move_to_trash", task)
    assert [row["id"] for row in alice.get("/v1/trash").json()["results"]] == [task["id"]]
    assert Event.objects.get(type="task.deleted").actor == PEOPLE["ada"].id


def test_admin_shows_a_history_with_names(admin: Client, alice: Caller) -> None:
    task = alice.make(title="one")
    alice.patch(where(task), {"title": "two"})
    act(admin, "complete", task)
    page = admin.get(f"{PAGE}{task['id']}/history/").content.decode()
    order = [page.index(word) for word in ("task.created", "task.updated", "task.completed")]
    assert order == sorted(order)
    assert "alice" in page
    assert "ada" in page


def test_admin_shows_an_assignee_by_name_and_leads_to_the_history(admin: Client, alice: Caller, bob: Caller) -> None:
    bob.get("/v1/me")
    task = alice.make(assignee=PEOPLE["bob"].id)
    assert f"{task['id']}/history/" in admin.get(f"{PAGE}{task['id']}/change/").content.decode()
    page = admin.get(f"{PAGE}{task['id']}/history/").content.decode()
    assert "→ bob<" in page
    assert PEOPLE["bob"].id not in page


@pytest.mark.parametrize("path", ["x/change/", "0192f0c1-d2e3-7b5a-8000-000000000000/history/"])
def test_admin_of_a_task_that_is_not_there_is_no_error(admin: Client, path: str) -> None:
    assert admin.get(PAGE + path).status_code in {302, 404}


def test_admin_needs_the_csrf_token(alice: Caller, admin: Client) -> None:
    task = alice.make()
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = admin.cookies
    answer = strict.post(PAGE, {"action": "complete", "_selected_action": [task["id"]]})
    assert answer.status_code == 403
    assert alice.get(where(task)).json() == task
