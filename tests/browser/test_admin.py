"""A person with the role `admin` in a real browser: in through Keycloak, to a task, to its history."""

import os
import re
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from config.launch.client import LocalSystem
from tests.journeys.system import System

ARTEFACTS = Path(os.environ.get("ARTEFACTS", ".artifacts"))

pytestmark = [pytest.mark.stack, pytest.mark.browser]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = shutil.which("chromium")
    assert program, "chromium is missing: apt-get install chromium"
    with sync_playwright() as playwright:
        # Chromium refuses to sandbox itself as root; the pages are our own.
        yield playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])


@pytest.fixture
def page(browser: Browser, stack: LocalSystem) -> Iterator[Page]:
    context = browser.new_context(base_url=stack.api_url, viewport={"width": 1280, "height": 900})
    yield context.new_page()
    context.close()


def log_in(page: Page, user: str, password: str) -> None:
    page.goto("/admin/")
    page.locator("#username").fill(user)
    page.locator("#password").fill(password)
    page.locator("#kc-login").click()


def test_an_admin_finds_a_task_and_opens_its_history(page: Page, real_system: System) -> None:
    title = f"Seen in the browser {uuid.uuid4()}"
    alice = real_system.caller("alice")
    task = alice.post("/v1/tasks", {"title": title}).json()
    alice.patch(f"/v1/tasks/{task['id']}", {"status": "in-progress"}).raise_for_status()

    log_in(page, "ada", real_system.local.state()["oidc"]["demo_password"])
    expect(page).to_have_url(re.compile(r"/admin/$"))
    page.locator(".model-task th a").click()
    page.locator("#searchbar").fill("alice")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("link", name=title).click()
    page.get_by_role("link", name="History").click()

    expect(page.get_by_role("cell", name="task.created")).to_be_visible()
    expect(page.get_by_role("cell", name="task.updated")).to_be_visible()
    expect(page.get_by_text("in-progress")).to_be_visible()
    ARTEFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTEFACTS / "admin-task-history.png", full_page=True)


def test_a_user_without_the_role_is_kept_out(page: Page, stack: LocalSystem) -> None:
    log_in(page, "bob", stack.state()["oidc"]["demo_password"])
    expect(page.get_by_text("403").or_(page.get_by_text("role")).first).to_be_visible()
    page.goto("/admin/tasks_app/task/")
    expect(page.locator("#searchbar")).to_have_count(0)


def test_the_api_page_can_be_tried(page: Page, stack: LocalSystem) -> None:
    page.goto("/v1/docs")
    expect(page.get_by_role("button", name="Authorize").first).to_be_visible()
    expect(page.get_by_text("Create a task").first).to_be_visible()
    ARTEFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTEFACTS / "api-docs.png")
