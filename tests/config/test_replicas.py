"""Reads on a real replica: only when it has what the reader must see, and never at the price of an error."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from django.db import InterfaceError, OperationalError, connections

from config.data import reading, replicas
from config.routers import ReplicaRouter
from tests.config.postgres_pair import PostgresPair
from tests.config.servers import eventually

ALIAS = "replica-1"


@pytest.fixture
def pair(postgres_pair: PostgresPair, on_the_pair: None) -> Iterator[PostgresPair]:
    postgres_pair.ask("primary", "CREATE TABLE IF NOT EXISTS word (word text)")
    postgres_pair.ask("primary", "GRANT ALL ON word TO PUBLIC")
    postgres_pair.catch_up()
    yield postgres_pair
    for role in ("primary", "replica"):
        if not postgres_pair.runs(role):
            postgres_pair.start(role)
    postgres_pair.resume()


def write(pair: PostgresPair) -> int:
    """A committed write; the id of its transaction."""
    sql = "INSERT INTO word VALUES ('a') RETURNING pg_current_xact_id()::text::bigint"
    return int(pair.ask("primary", sql))


def forget() -> None:
    """Verdicts on replicas are remembered for a second or longer; a test does not wait for that."""
    replicas._verdicts.clear()


def counted(served: list[str]) -> Callable[[], Any]:
    """A read, which tells where it was served."""

    def query() -> Any:
        served.append(reading.alias())
        with connections[reading.alias()].cursor() as cursor:
            cursor.execute("SELECT count(*) FROM word")
            return cursor.fetchone()

    return query


def test_a_healthy_replica_serves_a_reader_who_wrote_nothing(pair: PostgresPair) -> None:
    assert replicas.pick(()) == ALIAS


def test_a_replica_serves_a_reader_whose_write_it_has(pair: PostgresPair) -> None:
    xid = write(pair)
    pair.catch_up()
    assert replicas.pick({xid}) == ALIAS


def test_a_paused_replica_serves_everybody_but_the_writer(pair: PostgresPair) -> None:
    before = write(pair)
    pair.catch_up()
    pair.pause()
    after = write(pair)
    assert replicas.pick(()) == ALIAS
    assert replicas.pick({before}) == ALIAS
    assert replicas.pick({after}) is None
    assert replicas.pick({before, after}) is None
    pair.resume()
    pair.catch_up()
    assert replicas.pick({before, after}) == ALIAS


def test_a_running_transaction_is_not_there_yet(pair: PostgresPair) -> None:
    with pair.connect("primary", autocommit=False) as writer:
        row = writer.execute("INSERT INTO word VALUES ('slow') RETURNING pg_current_xact_id()::text::bigint").fetchone()
        assert row
        xid = int(row[0])
        younger = write(pair)
        pair.catch_up()
        assert replicas.pick({younger}) == ALIAS
        assert replicas.pick({xid}) is None
        writer.commit()
    pair.catch_up()
    assert replicas.pick({xid}) == ALIAS


def test_of_two_writes_the_older_transaction_may_commit_last(pair: PostgresPair) -> None:
    with pair.connect("primary", autocommit=False) as older:
        row = older.execute("INSERT INTO word VALUES ('x') RETURNING pg_current_xact_id()::text::bigint").fetchone()
        assert row
        younger = write(pair)
        pair.catch_up()
        pair.pause()
        older.commit()
    assert replicas.pick({younger}) == ALIAS
    assert replicas.pick({younger, int(row[0])}) is None


@pytest.mark.parametrize("ahead", [1, 1000, 2**40, 2**62])
def test_a_transaction_of_the_future_is_read_from_the_primary(pair: PostgresPair, ahead: int) -> None:
    assert replicas.pick({write(pair) + ahead}) is None


def test_a_transaction_that_was_forgotten_long_ago_is_there(pair: PostgresPair) -> None:
    assert replicas.pick({3}) == ALIAS


def test_a_dead_replica_costs_one_try_and_is_left_alone(pair: PostgresPair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replicas, "COOLDOWN", 3600.0)
    assert replicas.pick(()) == ALIAS
    pair.stop("replica")
    forget()
    assert replicas.pick(()) is None
    pair.start("replica")
    assert replicas.pick(()) is None, "it is not asked again at once"
    forget()
    assert replicas.pick(()) == ALIAS


def test_a_replica_that_dies_under_a_read_is_replaced_by_the_primary(pair: PostgresPair) -> None:
    served = list[str]()
    query = counted(served)

    with reading.scope(None, replicas=True):
        reading.read(query)
        pair.stop("replica")
        assert reading.read(query) is not None
        assert reading.read(query) is not None
    assert served == [ALIAS, ALIAS, "default", "default"]
    with reading.scope(None, replicas=True):
        assert reading.alias() == "default"


def test_a_read_that_the_replica_cancels_is_made_on_the_primary(pair: PostgresPair) -> None:
    """What a recovery conflict does to a reader: the server ends its session."""
    seen: list[bool] = []

    def query() -> Any:
        with connections[reading.alias()].cursor() as cursor:
            if not seen:
                cursor.execute("SELECT pg_backend_pid()")
                seen.append(pair.ask("replica", "SELECT pg_terminate_backend(%s)", cursor.fetchone()[0]))
            cursor.execute("SELECT pg_is_in_recovery()")
            return cursor.fetchone()[0]

    with reading.scope(None, replicas=True):
        assert reading.read(query) is False
    assert seen == [True]


def test_an_error_of_the_primary_is_not_hidden(pair: PostgresPair) -> None:
    def query() -> Any:
        raise OperationalError("the primary is down")

    with reading.scope(None, replicas=False), pytest.raises(OperationalError):
        reading.read(query)


def test_reads_go_on_from_the_replica_while_the_primary_is_down(pair: PostgresPair) -> None:
    pair.stop("primary")
    forget()
    assert replicas.pick(()) == ALIAS
    with reading.scope(None, replicas=True), connections[reading.alias()].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM word")
        assert cursor.fetchone() is not None


def test_a_replica_that_failed_a_moment_ago_serves_when_the_primary_dies(pair: PostgresPair) -> None:
    served = list[str]()
    query = counted(served)

    replicas.distrust(ALIAS)
    pair.stop("primary")
    with reading.scope(None, replicas=True):
        assert reading.read(query) is not None
    assert served == ["default", ALIAS]


def test_a_replica_far_behind_is_not_read(pair: PostgresPair, monkeypatch: pytest.MonkeyPatch) -> None:
    write(pair)
    pair.catch_up()
    assert replicas.lag(ALIAS) < replicas.LAG_LIMIT
    pair.pause()
    write(pair)
    monkeypatch.setattr(replicas, "LAG_LIMIT", 0.01)
    eventually(lambda: replicas.lag(ALIAS) > 0.01, "the lag grows")
    forget()
    assert replicas.pick(()) is None


def test_an_idle_primary_does_not_look_like_a_lag(pair: PostgresPair) -> None:
    write(pair)
    pair.catch_up()
    time.sleep(0.3)
    assert replicas.lag(ALIAS) == 0


def test_one_request_reads_one_database(pair: PostgresPair) -> None:
    with reading.scope(None, replicas=True):
        assert reading.alias() == ALIAS
        pair.stop("replica")
        forget()
        assert reading.alias() == ALIAS, "only an error moves a request that has begun to read"


def test_a_reader_who_demands_a_write_gets_it(pair: PostgresPair) -> None:
    pair.pause()
    xid = write(pair)
    with reading.scope(None, replicas=True):
        reading.demand([xid])
        assert reading.alias() == "default"
    with reading.scope(xid, replicas=True):
        assert reading.alias() == "default"
    with reading.scope(None, replicas=True):
        reading.demand_primary()
        assert reading.alias() == "default"


def test_outside_a_scope_and_in_transactions_everything_reads_the_primary(pair: PostgresPair) -> None:
    assert reading.alias() == "default"
    with reading.scope(None, replicas=False):
        assert reading.alias() == "default"
    with reading.scope(None, replicas=True):
        connections["default"].set_autocommit(False)
        connections["default"].in_atomic_block = True
        try:
            assert reading.alias() == "default"
        finally:
            connections["default"].in_atomic_block = False
            connections["default"].set_autocommit(True)


def test_the_router_writes_to_the_primary_whatever_was_read_where(pair: PostgresPair) -> None:
    router: Any = ReplicaRouter()
    with reading.scope(None, replicas=True):
        assert router.db_for_read(object) == ALIAS
        assert router.db_for_write(object) == "default"
        assert router.allow_relation(object(), object())
    assert [router.allow_migrate(alias, "x") for alias in ("default", "direct", ALIAS)] == [True, True, False]


def test_a_closed_connection_counts_as_a_failed_replica(pair: PostgresPair) -> None:
    def query() -> str:
        if reading.alias() == ALIAS:
            raise InterfaceError("connection already closed")
        return reading.alias()

    with reading.scope(None, replicas=True):
        reading.alias()
        assert reading.read(query) == "default"


def test_two_replicas_take_turns_and_the_good_one_serves(pair: PostgresPair, settings: Any) -> None:
    settings.REPLICAS = [ALIAS, "replica-2"]
    connections.settings["replica-2"] = {**connections.settings[ALIAS], "PORT": "1"}
    try:
        assert {replicas.pick(()) for _ in range(6)} == {ALIAS}
        forget()
        connections.settings["replica-2"]["PORT"] = connections.settings[ALIAS]["PORT"]
        assert {replicas.pick(()) for _ in range(6)} == {ALIAS, "replica-2"}
    finally:
        connections["replica-2"].close()
        del connections["replica-2"], connections.settings["replica-2"]


def test_the_traps_that_the_question_avoids_are_real(pair: PostgresPair) -> None:
    """If PostgreSQL changes here, the question may become simpler."""
    with pytest.raises(psycopg.Error, match="future"):
        pair.ask("replica", "SELECT pg_xact_status('1000000000'::xid8)")
