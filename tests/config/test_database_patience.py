"""A database that hangs holds up those who were asking when it began, and nobody after them."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import psycopg
import pytest
from django.db import OperationalError, connections

from config.data import reading, replicas
from config.data.postgres import patience
from tests.config.postgres_pair import PostgresPair
from tests.config.servers import eventually

ALIAS, PRIMARY = "replica-1", "default"
FUTURE = 2**62


@pytest.fixture
def pair(postgres_pair: PostgresPair, on_the_pair: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[PostgresPair]:
    """As a process that answers calls has it."""
    monkeypatch.setattr(patience, "is_on", True)
    monkeypatch.setattr(patience, "BUDGET", 20.0)  # the breaker's bounds hold alone, on a busy machine too
    patience.of.cache_clear()
    patience.of_calls.cache_clear()
    for alias in (PRIMARY, ALIAS):
        assert ask(alias) == 1, "there is a kept connection"
    yield postgres_pair
    for role in ("primary", "replica"):
        if not postgres_pair.runs(role):
            postgres_pair.start(role)
        postgres_pair.thaw(role)
    for alias in (PRIMARY, ALIAS):
        eventually(lambda: not patience.of(alias).is_probing, "the probe ends")  # noqa: B023
    patience.of.cache_clear()
    patience.of_calls.cache_clear()


def ask(alias: str, sql: str = "SELECT 1") -> Any:
    with connections[alias].cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()[0]


def is_asked(alias: str) -> str:
    """Why a question got no answer: it was never asked, or it was."""
    with pytest.raises(OperationalError) as caught:
        ask(alias)
    return "left alone" if "left alone" in str(caught.value) else "asked"


def read() -> str:
    """The database that answered a read of somebody who wrote nothing."""

    def query() -> str:
        alias = reading.alias()
        return "replica" if ask(alias, "SELECT pg_is_in_recovery()") else "primary"

    return reading.read(query)


def test_a_frozen_primary_is_asked_once_and_then_left_alone(pair: PostgresPair) -> None:
    pair.freeze("primary")
    assert is_asked(PRIMARY) == "left alone", "who was waiting gives up when the breaker opens"
    connections[PRIMARY].close()
    attempts: list[str] = []
    driver = patience.of_calls(PRIMARY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(driver, "begin", lambda lasted: attempts.append("waited"))
        assert {is_asked(PRIMARY) for _ in range(50)} == {"left alone"}
    assert attempts == []
    pair.thaw("primary")
    eventually(lambda: not patience.is_left_alone(PRIMARY), "it is taken back")
    assert ask(PRIMARY) == 1


def test_a_frozen_primary_is_not_connected_to_for_long_either(pair: PostgresPair) -> None:
    connections[PRIMARY].close()
    pair.freeze("primary")
    with pytest.raises(OperationalError, match="left alone"):
        ask(PRIMARY)
    assert patience.is_left_alone(PRIMARY)


def test_while_the_primary_is_frozen_reads_go_on_from_the_replica(pair: PostgresPair) -> None:
    pair.freeze("primary")
    assert is_asked(PRIMARY) == "left alone"
    for _ in range(20):
        with reading.scope(None, replicas=True):
            assert read() == "replica"


def test_a_frozen_replica_is_replaced_by_the_primary(pair: PostgresPair) -> None:
    pair.freeze("replica")
    with reading.scope(None, replicas=True):
        assert read() == "primary"
    eventually(lambda: patience.is_left_alone(ALIAS), "it is left alone")
    assert replicas.pick(()) is None


def test_a_replica_left_alone_is_not_asked_even_after_its_verdict_has_ended(pair: PostgresPair) -> None:
    pair.freeze("replica")
    with pytest.raises(OperationalError):
        ask(ALIAS)
    eventually(lambda: patience.is_left_alone(ALIAS), "it is left alone")
    replicas._verdicts.clear()
    assert replicas.pick(()) is None
    assert ALIAS not in replicas._verdicts


def test_a_slow_answer_is_waited_for_and_nobody_is_left_alone(
    pair: PostgresPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "SILENCE", 15.0)
    assert ask(PRIMARY, "SELECT 'late' FROM pg_sleep(1.2)") == "late"
    assert not patience.is_left_alone(PRIMARY)


def test_the_long_waits_of_one_call_share_a_budget(pair: PostgresPair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "SILENCE", 15.0)
    patience.begin_call()
    assert ask(PRIMARY, "SELECT 'late' FROM pg_sleep(0.7)") == "late"
    [budget] = patience._budgets.get()
    assert budget.spent
    monkeypatch.setattr(patience, "BUDGET", budget.spent + 0.1)
    with pytest.raises(OperationalError, match="did not answer in time"):
        ask(PRIMARY, "SELECT pg_sleep(60)")
    patience._budgets.set(frozenset())


def test_a_wait_for_several_calls_is_charged_to_each_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "_doubt", lambda _: None)
    calls = [copy_context(), copy_context()]
    for call in calls:
        call.run(patience.begin_beside)

    def wait(share: float) -> None:
        patience._Wait("default", patience.BUDGET * share).look()

    def together() -> None:
        patience.wait_for(calls)
        wait(0.3)

    calls[0].run(wait, 0.6)
    with ThreadPoolExecutor(1) as asking:
        asking.submit(together).result()
    with pytest.raises(psycopg.OperationalError, match="did not answer in time"):
        calls[0].run(wait, 0.3)
    calls[1].run(wait, 0.3)


def test_a_late_answer_is_not_given_to_the_next_question(pair: PostgresPair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "BUDGET", 0.5)
    with pytest.raises(OperationalError):
        ask(PRIMARY, "SELECT 'first' FROM pg_sleep(1)")
    connections[PRIMARY].close_if_unusable_or_obsolete()
    assert ask(PRIMARY, "SELECT 'second'") == "second"


def test_a_worker_waits_as_long_as_it_takes(pair: PostgresPair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "is_on", False)
    monkeypatch.setattr(patience, "BUDGET", 0.2)
    connections[PRIMARY].close()
    assert ask(PRIMARY, "SELECT 'late' FROM pg_sleep(1)") == "late"


def test_a_write_that_nobody_was_told_of_keeps_no_reader_from_the_replica(pair: PostgresPair) -> None:
    """The primary froze, or died, while it was made: only what was acknowledged must be seen."""
    with reading.scope(None, replicas=True):
        reading.demand([], unsettled=[FUTURE])
        assert read() == "primary", "as long as it answers"
    pair.freeze("primary")
    for _ in range(2):  # who finds out, and who is told
        with reading.scope(None, replicas=True):
            reading.demand([], unsettled=[FUTURE])
            assert read() == "replica"
    pair.thaw("primary")
    eventually(lambda: not patience.is_left_alone(PRIMARY), "it is taken back")
    pair.stop("primary")
    with reading.scope(None, replicas=True):
        reading.demand([], unsettled=[FUTURE])
        assert read() == "replica"


def test_a_write_that_was_acknowledged_is_never_unseen(pair: PostgresPair) -> None:
    pair.freeze("primary")
    for _ in range(2):
        with reading.scope(None, replicas=True):
            reading.demand([FUTURE])
            with pytest.raises(OperationalError):
                read()


def test_of_two_replicas_the_one_that_answers_serves(pair: PostgresPair, settings: Any) -> None:
    """Also when it was the other one that this read had begun on."""
    settings.REPLICAS = [ALIAS, "replica-2"]
    connections.settings["replica-2"] = {**connections.settings[ALIAS], "PORT": "1"}
    try:
        for _ in range(4):
            with reading.scope(None, replicas=True):
                assert read() == "replica"
        with reading.scope(None, replicas=True):
            reading._scope.get().alias = "replica-2"  # type: ignore[union-attr]  # chosen, and then it dies
            assert read() == "replica"
    finally:
        connections["replica-2"].close()
        del connections["replica-2"], connections.settings["replica-2"]


def test_a_replica_that_failed_serves_when_there_is_no_primary(pair: PostgresPair) -> None:
    replicas.distrust(ALIAS)
    with reading.scope(None, replicas=True):
        assert read() == "primary"
    pair.freeze("primary")
    with reading.scope(None, replicas=True):
        assert read() == "replica"
