"""From a login to a mail, a number, a file, and out again: on the real servers, and on `make run`'s."""

import time
import uuid
from collections.abc import Iterator

import pytest

from tests.journeys import steps
from tests.journeys.system import System, eventually


@pytest.fixture(
    params=[
        pytest.param("stack", marks=pytest.mark.stack),
        pytest.param("embedded", marks=pytest.mark.embedded),
    ]
)
def system(request: pytest.FixtureRequest) -> Iterator[System]:
    found = System(request.getfixturevalue(request.param))
    yield found
    found.close()


def test_a_task_is_completed_mailed_counted_exported_and_nobody_elses_business(system: System) -> None:
    alice, _ = system.logged_in("alice")
    bob = system.caller("bob")
    title, request_id = f"Journey {uuid.uuid4()}", f"journey-{uuid.uuid4().hex}"
    before = steps.completed_today(alice)

    alice.patch("/v1/me/preferences", {"notifications": None}).raise_for_status()  # the guide's curl mutes mails
    task = steps.complete_a_task(alice, title, request_id)

    steps.the_mail_has_arrived(system, title, "alice@example.com")
    steps.the_rollup_shows_it(alice, before)
    export = steps.finished_export(alice, label="journey")
    rows = steps.rows_of(steps.downloaded(alice, export))
    assert title in [steps.plain(row["title"]) for row in rows]
    steps.nobody_else_gets(bob, f"/v1/tasks/{task['id']}", export, f"{export}/file")
    steps.the_request_is_in_the_logs(system, request_id)


def test_every_part_says_that_it_is_well(system: System) -> None:
    """With a login at the broker, whatever its protocol. A drill before this one may have just brought a part back."""
    eventually(lambda: set(steps.checks(system).values()) == {"ok"}, 60, "every check of /readyz is ok")
    assert {"primary", "replica-1", "redis", "broker", "partitions", "migrations", "relay"} <= set(steps.checks(system))


def test_a_logout_ends_a_token_within_five_seconds(system: System) -> None:
    alice, _ = system.logged_in("alice")
    assert not steps.is_refused(alice)

    system.log_out_everywhere(alice.get("/v1/me").json()["id"])
    logout = time.time()

    steps.access_ends(alice, "alice was logged out in Keycloak")
    # Keycloak's times have whole seconds: a token of the very second of the logout is refused too, as soon as the
    # admin's event of it is read, which may be after the back-channel call that has ended the session.
    eventually(lambda: int(time.time()) > int(logout), 2, "the second of the logout is over")
    eventually(lambda: not steps.is_refused(system.caller("alice")), 10, "alice may come in again")


def test_disabling_a_user_ends_a_token_within_five_seconds(system: System) -> None:
    bob, _ = system.logged_in("bob")
    user_id = bob.get("/v1/me").json()["id"]

    system.set_enabled(user_id, False)
    try:
        steps.access_ends(bob, "bob was disabled in Keycloak")
    finally:
        system.set_enabled(user_id, True)

    eventually(lambda: not steps.is_refused(system.caller("bob")), 10, "bob may come in again")
