"""Hundreds who wait for news in the change feed, over HTTP at one instance: they hold up nobody, and nothing stays."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from tests.config.servers import eventually
from tests.journeys.system import Caller, System
from tests.observability import samples
from tests.server.client import Client

pytestmark = pytest.mark.stack
MANY = 200


def end_of_feed(caller: Caller) -> str:
    query: dict[str, Any] = {"page_size": 100}

    def once() -> bool:
        page = caller.get("/v1/changes", params=query).raise_for_status().json()
        query["cursor"] = page["next_cursor"]
        return bool(page["caught_up"])

    eventually(once, "the end of the feed", within=60)
    return str(query["cursor"])


class Polls:
    """At the instance `api-1`, past the load balancer."""

    def __init__(self, system: System, sockets: ExitStack) -> None:
        self.part, self._sockets = system.local.part("api-1").entry, sockets

    def begin(self, count: int, token: str, cursor: str) -> list[Client]:
        clients = [self._sockets.enter_context(Client(self.part["port"], 60)) for _ in range(count)]
        for client in clients:
            client.ask("GET", f"/v1/changes?wait=30&cursor={cursor}", Authorization=f"Bearer {token}")
        return clients

    def waiting(self) -> float:
        return samples.total(samples.scrape(self.part["metrics_port"]), "taskmill_feed_waiting") or 0


@pytest.fixture
def polls(real_system: System) -> Iterator[Polls]:
    with ExitStack() as sockets:
        yield Polls(real_system, sockets)


def results(poll: Client) -> list[Any]:
    answer = poll.answer()
    assert answer.status == 200, answer.body
    found: list[Any] = json.loads(answer.body)["results"]
    return found


def test_hundreds_wait_beside_others_and_all_are_told(real_system: System, polls: Polls) -> None:
    bob, alice = real_system.caller("bob"), real_system.caller("alice")
    before = polls.waiting()
    waiting = polls.begin(MANY, bob.token, end_of_feed(bob))
    eventually(lambda: polls.waiting() == before + MANY, "the waiting")
    for _ in range(20):  # more than there are threads
        answer = httpx.get(f"{polls.part['url']}/v1/me", headers={"Authorization": f"Bearer {alice.token}"})
        assert answer.status_code == 200
    assert polls.waiting() == before + MANY  # as nothing has happened to a task of bob's
    task = bob.post("/v1/tasks", {"title": "news"}).json()["id"]  # at any instance
    assert [[row["id"] for row in results(poll)] for poll in waiting] == [[task]] * MANY


def test_clients_that_hang_up_while_they_wait_leave_nothing(real_system: System, polls: Polls) -> None:
    bob, before = real_system.caller("bob"), polls.waiting()
    waiting = polls.begin(MANY, bob.token, end_of_feed(bob))
    eventually(lambda: polls.waiting() == before + MANY, "the waiting")
    for poll in waiting:
        poll.__exit__(None, None, None)
    eventually(lambda: polls.waiting() == before, "the end of the waiting")


def test_who_has_logged_out_while_he_waits_is_told_nothing(real_system: System, polls: Polls) -> None:
    gone, stays = real_system.local.tokens("bob"), real_system.local.token("bob")
    bob, before = real_system.with_token(stays), polls.waiting()
    cursor = end_of_feed(bob)
    outside, inside = polls.begin(1, gone["access_token"], cursor) + polls.begin(1, stays, cursor)
    eventually(lambda: polls.waiting() == before + 2, "the waiting")
    form = {"client_id": "taskmill-cli", "refresh_token": gone["refresh_token"]}
    logout = f"{real_system.local.issuer.url}/protocol/openid-connect/logout"
    assert httpx.post(logout, data=form).status_code == 204
    shut_out = real_system.with_token(gone["access_token"])
    eventually(lambda: shut_out.get("/v1/me").status_code == 401, "the denial")
    bob.post("/v1/tasks", {"title": "not for the session that has ended"})
    assert outside.answer().status == 401
    assert len(results(inside)) == 1
