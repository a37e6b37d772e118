"""The change feed misses nothing, whatever order transactions commit in (compare tests/events/test_relay_order.py)"""

import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from django.db import connections, transaction

from accounts.principal import Principal
from config.api.preconditions import IfMatch
from config.data import ids
from config.data.statements import LostRace
from config.events import log
from config.events.models import Event
from tasks_app.models import Status
from tasks_app.services import rows, rules
from tests.cast import Caller
from tests.config.servers import eventually
from tests.tasks_app.feed import CHANGES, apply, listed

pytestmark = pytest.mark.django_db(transaction=True)
WRITERS, WRITES, TASKS = 8, 15, 3


def _principal(caller: Caller) -> Principal:
    return Principal(caller.id, "", "", frozenset(), frozenset({"tasks:write"}), None, 0, 2**40, "tests")


def _write(owner: Principal, tasks: list[UUID], chance: random.Random, locked: bool) -> None:
    """One to three changes in one transaction, that ends later than some that began after it."""
    chosen = chance.sample(tasks, chance.choice([1, 1, 2, 3]))
    with transaction.atomic(durable=True):
        # Without the locks two that take the same rows in another order end in a deadlock.
        seen = rows.read(owner, chosen, locked=locked or len(chosen) > 1)
        changes = [_change(owner, seen[task], chance) for task in chosen]
        if chance.random() < 0.3:
            changes.append(rules.created(owner, {"title": "new"}, _known, ids.uuid7()))
        log.save(*rows.drafts(changes, owner.id)[1])
        time.sleep(chance.uniform(0, 0.02))


def _change(owner: Principal, values: rules.Values, chance: random.Random) -> rules.Change:
    fields = {"title": f"{chance.random()}", "status": chance.choice(Status.values)}
    return rules.patched(owner, values, fields, IfMatch.none(), _known)


def _known(_: str) -> bool:
    return True


def _writer(owner: Principal, tasks: list[UUID], seed: int) -> None:
    chance = random.Random(seed)
    try:
        for _ in range(WRITES):
            for locked in (False, *[True] * 50):
                try:
                    _write(owner, tasks, chance, locked)
                    break
                except LostRace:
                    continue
    finally:
        connections.close_all()


def test_a_reader_beside_many_writers_sees_every_event_once_and_in_order(
    alice: Caller, limits: Callable[..., None]
) -> None:
    """By id alone, or without waiting for older transactions, entries are missed."""
    limits(user=(100_000, 60), task=(100_000, 60))
    owner, tasks = _principal(alice), [UUID(alice.make()["id"]) for _ in range(TASKS)]
    threads = [threading.Thread(target=_writer, args=(owner, tasks, seed)) for seed in range(WRITERS)]
    for thread in threads:
        thread.start()
    entries: list[dict[str, Any]] = []
    kept: dict[str, Any] = {}
    cursor: str | None = None

    def finished() -> bool:
        nonlocal cursor
        alive = any(thread.is_alive() for thread in threads)
        answer = alice.get(CHANGES, page_size=7, **({"cursor": cursor} if cursor else {})).json()
        entries.extend(answer["results"])
        for row in answer["results"]:
            kept[row["id"]] = row["task"]
        cursor = answer["next_cursor"]
        return not alive and len(entries) == Event.objects.count()

    eventually(finished, "the end of the feed", within=60)
    for thread in threads:
        thread.join()
    assert {row["sequence"].partition("-")[2] for row in entries} == {str(event.id) for event in Event.objects.all()}
    sequences = [row["sequence"] for row in entries]
    assert sequences == sorted(set(sequences)), "none twice, and none behind its place"
    versions: dict[str, list[int]] = defaultdict(list)
    for row in entries:
        assert row["task"]["version"] >= row["version"]
        if row["type"] != "task.completed":
            versions[row["id"]].append(row["version"])
    assert all(told == list(range(1, len(told) + 1)) for told in versions.values())
    assert kept == listed(alice)
    apply(alice, kept, cursor)
    assert kept == listed(alice)
