"""The admin through Keycloak: by code and PKCE, for admins only, for as long as Keycloak lets them."""

import itertools
import re
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client

from accounts import admin_login, denials
from accounts.models import PERMISSIONS, User
from tests.accounts.issuers import Live, callback, log_in
from tests.accounts.keycloak import ADA, ALICE

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser(live: Live) -> Client:
    return live.browser()


def test_the_admin_sends_people_to_keycloak_with_pkce_state_and_nonce(live: Live, browser: Client) -> None:
    login = browser.get("/admin/").headers["Location"]
    start = browser.get(login).headers["Location"]
    assert start == "/oidc/authenticate/?next=%2Fadmin%2F"
    target = urlsplit(browser.get(start).headers["Location"])
    query = parse_qs(target.query)
    assert f"{target.scheme}://{target.netloc}{target.path}" == f"{live.url}/protocol/openid-connect/auth"
    assert query["code_challenge_method"] == ["S256"]
    assert query["redirect_uri"] == [f"{live.site_url}/oidc/callback/"]
    assert len(query["state"][0]) >= 32
    assert len(query["nonce"][0]) >= 32


def test_ada_enters_and_sees_users_roles_and_denials(live: Live, browser: Client) -> None:
    answer = log_in(live, browser, "ada")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/admin/")
    denials.deny_subject("somebody")
    for page in ("", "accounts/user/", f"accounts/user/{ADA}/change/", "accounts/role/", "accounts/denial/"):
        assert browser.get(f"/admin/{page}").status_code == 200, page
    user = User.objects.get(pk=ADA)
    assert (user.is_staff, user.is_superuser, user.username) == (True, True, "ada")


@pytest.mark.parametrize("username", ["alice", "vera", "nobody"])
def test_nobody_else_enters(live: Live, browser: Client, username: str) -> None:
    answer = log_in(live, browser, username)
    assert (answer.status_code, answer.headers["Content-Type"]) == (403, "text/html; charset=utf-8")
    assert "no role that may use the admin" in answer.content.decode()
    assert browser.get("/admin/").status_code == 302
    assert not User.objects.filter(is_staff=True).exists()


def test_who_was_an_admin_and_is_none_any_more_loses_the_rights(live: Live, browser: Client) -> None:
    User.objects.create(id=ALICE, username="alice", is_staff=True, is_superuser=True)
    assert log_in(live, browser, "alice").status_code == 403
    assert not User.objects.filter(is_staff=True).exists()


def test_a_callback_works_once_and_in_one_browser(live: Live, browser: Client) -> None:
    location = browser.get("/oidc/authenticate/").headers["Location"]
    state = parse_qs(urlsplit(location).query)["state"][0]
    for query in (f"code=x&state={state}", "code=x&state=other", f"code=x&state={state}", "code=x", "state=x", ""):
        assert browser.get(f"/oidc/callback/?{query}").status_code == 400, query
    assert live.browser().get(f"/oidc/callback/?code=x&state={state}").status_code == 400


def test_a_refused_login_is_a_page_that_says_so(live: Live, browser: Client) -> None:
    location = browser.get("/oidc/authenticate/").headers["Location"]
    state = parse_qs(urlsplit(location).query)["state"][0]
    answer = browser.get(f"/oidc/callback/?error=access_denied&state={state}")
    assert (answer.status_code, "cancelled" in answer.content.decode()) == (400, True)


def test_an_id_token_with_another_nonce_is_refused(live: Live, browser: Client) -> None:
    location = browser.get("/oidc/authenticate/").headers["Location"]
    session = browser.session
    for kept in session["oidc_states"].values():
        kept["nonce"] = "another"
    session.save()
    answer = browser.get(callback(live, location, "ada"))
    assert (answer.status_code, "_auth_user_id" in browser.session) == (400, False)


def test_a_dead_login_server_is_a_page_and_no_error(live: Live, browser: Client, settings: Any) -> None:
    location = browser.get("/oidc/authenticate/").headers["Location"]
    state = parse_qs(urlsplit(location).query)["state"][0]
    settings.OIDC_OP_TOKEN_ENDPOINT = "http://127.0.0.1:1/token"
    answer = browser.get(f"/oidc/callback/?code=x&state={state}")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")


def test_no_foreign_address_is_ever_the_target_of_a_login(live: Live, browser: Client) -> None:
    answer = log_in(live, browser, "ada", start="/oidc/authenticate/?next=https://evil.example/")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/admin/")


def test_an_admin_who_is_denied_is_out_at_the_next_click(live: Live, browser: Client) -> None:
    log_in(live, browser, "ada")
    denials.deny_subject("another")
    assert browser.get("/admin/").status_code == 200
    denials.deny_subject(ADA)
    assert browser.get("/admin/").status_code == 302
    assert browser.get("/admin/accounts/user/").status_code == 302


def test_an_ended_session_is_out_and_another_browser_stays(live: Live, browser: Client) -> None:
    log_in(live, browser, "ada")
    other = live.browser()
    log_in(live, other, "ada")
    denials.deny_session(ADA, browser.session["keycloak"]["sid"])
    assert (browser.get("/admin/").status_code, other.get("/admin/").status_code) == (302, 200)


def test_a_session_that_slept_longer_than_a_denial_lives_has_to_log_in_again(live: Live, browser: Client) -> None:
    log_in(live, browser, "ada")
    session = browser.session
    session["keycloak"] = {**session["keycloak"], "seen": int(time.time()) - denials.lifetime() - 1}
    session.save()
    assert browser.get("/admin/").status_code == 302


def test_a_session_in_use_is_kept_fresh(live: Live, browser: Client) -> None:
    log_in(live, browser, "ada")
    session = browser.session
    session["keycloak"] = {**session["keycloak"], "seen": int(time.time()) - 2 * admin_login._SEEN_EVERY}
    session.save()
    assert browser.get("/admin/").status_code == 200
    assert time.time() - browser.session["keycloak"]["seen"] < admin_login._SEEN_EVERY


def test_logging_out_ends_keycloaks_session_too(live: Live, browser: Client) -> None:
    log_in(live, browser, "ada")
    answer = browser.post("/admin/logout/")
    target = urlsplit(answer.headers["Location"])
    query = parse_qs(target.query)
    assert target.geturl().startswith(f"{live.url}/protocol/openid-connect/logout?")
    assert query["post_logout_redirect_uri"] == [f"{live.site_url}/admin/"]
    assert query["id_token_hint"][0].count(".") == 2
    assert browser.get("/admin/").status_code == 302
    assert browser.get("/admin/logout/").status_code in {302, 405}


def test_there_are_no_pages_for_passwords(live: Live, browser: Client) -> None:
    log_in(live, browser, "ada")
    assert browser.get("/admin/password_change/").status_code == 404
    assert "password" not in browser.get("/admin/").content.decode()


def test_users_and_denials_are_shown_but_not_edited(live: Live, browser: Client) -> None:
    log_in(live, browser, "ada")
    denials.deny_subject("somebody")
    for path in ("user/add/", "denial/add/"):
        assert browser.get(f"/admin/accounts/{path}").status_code == 403
    for path in (f"user/{ADA}/delete/", f"user/{ADA}/change/"):
        assert browser.post(f"/admin/accounts/{path}", {"post": "yes"}).status_code == 403
    assert User.objects.filter(pk=ADA).exists()


def test_the_matrix_offers_exactly_our_permissions(live: Live, browser: Client) -> None:
    log_in(live, browser, "ada")
    page = browser.get("/admin/accounts/role/add/").content.decode()
    assert re.findall(r"([a-z]+:[a-z]+): ", page) == sorted(PERMISSIONS)
    assert page.count('type="checkbox" name="permissions"') == 5


@pytest.mark.parametrize("page", ["tasks_app/task", "exports/export", "notifications/notification", "accounts/denial"])
def test_an_address_that_no_row_can_have_is_400(live: Live, browser: Client, page: str) -> None:
    log_in(live, browser, "ada")
    for query in ({"before": "x"}, {"before": "\0"}, {"before": "9" * 5000}):
        answer = browser.get(f"/admin/{page}/", query)
        assert (answer.status_code, answer.headers["Content-Type"]) == (400, "application/problem+json"), query


def test_a_value_that_no_task_can_have_is_refused_and_changes_nothing(live: Live, browser: Client) -> None:
    log_in(live, browser, "ada")
    tasks = "/admin/tasks_app/task/"
    assert browser.get(tasks, {"status__exact": "\0"}).status_code == 400
    for selected in ("x", "\0", "9" * 30):
        assert browser.post(tasks, {"action": "complete", "_selected_action": selected}).status_code == 400
    assert browser.get(f"{tasks}x/history/").status_code == 404


def test_too_many_logins_of_one_address_are_told_to_wait(live: Live, browser: Client) -> None:
    # The window is a fixed minute: it may change once while we knock.
    answers = (browser.get("/oidc/authenticate/") for _ in range(121))
    passed = list(itertools.takewhile(lambda answer: answer.status_code == 302, answers))
    refused = browser.get("/oidc/authenticate/")
    assert 60 <= len(passed) <= 120
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) > 0
