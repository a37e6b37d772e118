"""The change feed from a real replica: as complete as from the primary, and never behind what its reader knows"""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from config.data import ids, reading, replicas
from tasks_app.services import changes
from tests.config.postgres_pair import PostgresPair

START = changes.Place(0, UUID(int=0), 0)
EVENT = (
    "INSERT INTO event (id, type, subject, owner, actor, version, request_id, traceparent, at)"
    " VALUES (%s, 'task.updated', %s, 'alice', 'alice', %s, '', '', now()) RETURNING xid::text::bigint"
)


@pytest.fixture
def pair(migrated_pair: PostgresPair) -> Iterator[PostgresPair]:
    migrated_pair.ask("primary", "TRUNCATE event")
    migrated_pair.catch_up()
    yield migrated_pair
    migrated_pair.resume()


def event(connection: Any, version: int) -> int:
    return int(connection.execute(EVENT, [ids.uuid7(), UUID(int=1), version]).fetchone()[0])


def versions(place: changes.Place, *after: int) -> tuple[list[int], changes.Page, str]:
    """As a request reads that knows of the transactions `after`; also where it read."""
    with reading.scope(None, replicas=True):
        reading.demand(after)
        page = changes.read("alice", place, 10)
        return [int(entry.split(b'"version":')[1].split(b",")[0]) for entry in page.entries], page, reading.alias()


def test_a_replica_holds_back_what_an_older_transaction_may_still_precede(pair: PostgresPair) -> None:
    with pair.connect("primary", autocommit=False) as older, pair.connect("primary") as other:
        event(older, 1)
        event(other, 2)
        pair.catch_up()
        held, page, read_at = versions(START)
        assert (held, read_at) == ([], "replica-1")
        older.commit()
    pair.catch_up()
    assert versions(page.place)[0] == [1, 2]


def test_a_reader_who_knows_of_a_write_is_not_told_that_he_caught_up_without_it(pair: PostgresPair) -> None:
    pair.pause()
    with pair.connect("primary") as other:
        xid = event(other, 1)
    stale, page, read_at = versions(START)
    assert (stale, read_at) == ([], "replica-1")
    assert versions(page.place, xid)[::2] == ([1], "default")


def test_a_place_never_goes_back_to_that_of_a_replica_behind(pair: PostgresPair) -> None:
    pair.pause()
    with pair.connect("primary") as other:
        xid = event(other, 1)
        event(other, 2)
    seen, page, _ = versions(START, xid)
    replicas._verdicts.clear()
    again, later, read_at = versions(page.place)
    assert (seen, again, read_at) == ([1, 2], [], "replica-1")
    assert later.place == page.place
