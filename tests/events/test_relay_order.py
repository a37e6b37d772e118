"""Nothing missed, and the versions of one subject ascending, whatever order transactions commit in."""

import random
import threading
import time
from collections.abc import Iterator
from uuid import UUID

import pytest
from django.db import connections, transaction

from config.data import ids
from config.events import log
from config.events.log import NewEvent
from config.events.models import RelayCursor
from config.events.outbox import CursorMoved, Outbox, Position, position_of
from tests.events.broker import eventually
from tests.events.effects import execute, query

WRITERS, WRITES, SUBJECTS = 8, 25, 3

TABLE = "DROP TABLE IF EXISTS probe_subject; CREATE TABLE probe_subject (id uuid PRIMARY KEY, version int NOT NULL)"


@pytest.fixture
def subjects(log_table: None) -> list[UUID]:
    execute(TABLE)
    made = [ids.uuid7() for _ in range(SUBJECTS)]
    for subject in made:
        query("INSERT INTO probe_subject VALUES (%s, 0) RETURNING id", subject)
    return made


def _write(subject: UUID, delay: float) -> bool:
    """As the house writes: the version is read before the first write, and the row changed where it still stands."""
    with transaction.atomic():
        version = query("SELECT version FROM probe_subject WHERE id = %s", subject)[0][0]
        changed = query(
            "UPDATE probe_subject SET version = version + 1 WHERE id = %s AND version = %s RETURNING version",
            subject,
            version,
        )
        if not changed:
            return False
        log.append([NewEvent("probe.happened", subject, "alice", "alice", version=changed[0][0])])
        time.sleep(delay)  # the commit comes later than that of transactions which began after this one
    return True


def _writer(subjects: list[UUID], seed: int) -> None:
    chance = random.Random(seed)
    try:
        for _ in range(WRITES):
            while not _write(chance.choice(subjects), chance.uniform(0, 0.02)):
                pass
    finally:
        connections.close_all()


def _follow(count: int) -> Iterator[tuple[UUID, UUID, int]]:
    """What a relay sees that reads all the while."""
    outbox, position = Outbox("default"), Position(0, UUID(int=0))
    deadline = time.monotonic() + 120
    while count and time.monotonic() < deadline:
        for row in outbox.read(position, 7):
            position, count = position_of(row), count - 1
            yield row["id"], row["subject"], row["version"]


def test_relay_order_with_many_writers(subjects: list[UUID]) -> None:
    threads = [threading.Thread(target=_writer, args=(subjects, seed)) for seed in range(WRITERS)]
    for thread in threads:
        thread.start()
    seen = list(_follow(WRITERS * WRITES))
    for thread in threads:
        thread.join()
    stored = {row[0] for row in query("SELECT id FROM event")}
    assert len(seen) == len(stored) == WRITERS * WRITES
    assert {identifier for identifier, _, _ in seen} == stored
    for subject in subjects:
        versions = [version for _, of, version in seen if of == subject]
        assert versions == list(range(1, len(versions) + 1))


def test_relay_order_waits_for_an_older_transaction(subjects: list[UUID]) -> None:
    """A later transaction that has committed is not read before an earlier one has ended."""
    subject, outbox = subjects[0], Outbox("default")
    begun, finish = threading.Event(), threading.Event()

    def slow() -> None:
        try:
            with transaction.atomic():
                log.append([NewEvent("probe.happened", subject, "alice", "alice", version=1)])
                begun.set()
                finish.wait(30)
        finally:
            connections.close_all()

    thread = threading.Thread(target=slow)
    thread.start()
    assert begun.wait(30)
    with transaction.atomic():
        log.append([NewEvent("probe.happened", subject, "alice", "alice", version=2)])
    before = outbox.read(outbox.position(), 10)
    finish.set()
    thread.join()
    after = eventually(lambda: outbox.read(outbox.position(), 10), within=30, what="the log's end")
    assert before == []
    assert [row["version"] for row in after] == [1, 2]


def test_relay_order_within_one_transaction(log_table: None) -> None:
    """Events of one transaction keep the order in which they were appended, within a millisecond too."""
    types = [f"probe.number-{number}" for number in range(50)]
    with transaction.atomic():
        log.append([NewEvent(type_, ids.uuid7(), "alice", "alice") for type_ in types])
    rows = eventually(lambda: Outbox("default").read(Position(0, UUID(int=0)), 100), within=30, what="the log's end")
    assert [row["type"] for row in rows] == types


def test_relay_order_refuses_a_cursor_that_another_one_moved(log_table: None) -> None:
    outbox = Outbox("default")
    mine = outbox.position()
    RelayCursor.objects.filter(name="relay").update(xid=5)
    with pytest.raises(CursorMoved):
        outbox.move(mine, Position(7, ids.uuid7()))


def test_relay_order_finds_events_of_a_clock_that_is_behind(log_table: None) -> None:
    """The bound that prunes old months leaves a month's margin."""
    ahead = Position(0, ids.uuid7())
    with transaction.atomic():
        log.append([NewEvent("probe.happened", ids.uuid7(), "alice", "alice")])
    rows = eventually(lambda: Outbox("default").read(ahead, 10), within=30, what="the log's end")
    assert len(rows) == 1
    assert ahead.parameters()["floor"] < ids.floor(ids.instant(ahead.id))
