"""A part hangs: it takes connections and answers nobody. Callers wait once, for a bounded time, then go on without it.

The bounds are far above what is promised (docs/decisions/0014-a-database-that-hangs.md) and below what a caller would
wait who waits for the end of it.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.faults.callers import READERS, WRITERS, Crowd
from tests.faults.waiting import redis_is_believed, replica_catches_up
from tests.journeys.system import System, eventually

pytestmark = [pytest.mark.stack, pytest.mark.timeout(120)]

CALLERS = 16


@contextmanager
def frozen(system: System, name: str) -> Iterator[None]:
    part = system.local.part(name)
    part.freeze()
    try:
        yield
    finally:
        part.thaw()


def all_is_well(system: System) -> None:
    """Both instances do everything again."""
    callers = [system.caller("alice") for _ in range(4)]

    def well() -> bool:
        reads = [caller.get("/v1/tasks?priority=low&page_size=1").status_code for caller in callers]
        return {*reads, *(caller.post("/v1/tasks", {"title": "well"}).status_code for caller in callers)} == {200, 201}

    eventually(well, 30, "everything is answered")


def test_a_frozen_pooler_holds_nobody_until_it_thaws(real_system: System) -> None:
    crowd, reader = Crowd(real_system, CALLERS), real_system.caller("alice")
    task = reader.post("/v1/tasks", {"title": "kept"}).json()
    with crowd.calling() as log:
        with frozen(real_system, "pgbouncer"):
            time.sleep(7)
            kept = reader.get(f"/v1/tasks/{task['id']}")
            assert (kept.status_code, kept.json()) == (200, task), "what Redis keeps is answered"
            refused = reader.post("/v1/tasks", {"title": "refused"})
        answers = list(log.answers)
    assert refused.status_code == 503
    assert int(refused.headers["Retry-After"]) >= 1
    assert {answer.status for answer in answers} <= {200, 201, 503}
    assert log.slowest().seconds < 6, log.slowest()
    assert len(answers) > 4 * CALLERS, "they were answered meanwhile, not at its end"
    all_is_well(real_system)


@pytest.mark.parametrize("how", ["frozen", "dead"])
def test_without_a_primary_reads_are_answered(real_system: System, how: str) -> None:
    crowd, primary = Crowd(real_system, CALLERS), real_system.local.part("postgres-primary")
    replica_catches_up(real_system)
    redis_is_believed(real_system)
    with crowd.calling() as log:
        if how == "frozen":
            with frozen(real_system, "postgres-primary"):
                time.sleep(4)
        else:
            primary.kill()
            time.sleep(2)
            primary.start()
    assert log.statuses(READERS) == {200}
    assert 503 in log.statuses(WRITERS) <= {200, 201, 503}
    assert log.slowest().seconds < 6, log.slowest()
    all_is_well(real_system)


def test_a_frozen_replica_fails_nobody(real_system: System) -> None:
    with Crowd(real_system, CALLERS).calling() as log, frozen(real_system, "postgres-replica"):
        time.sleep(3)
    assert log.statuses(READERS, WRITERS) == {200, 201}
    assert log.slowest().seconds < 6, log.slowest()


def test_a_frozen_redis_fails_nobody(real_system: System) -> None:
    with Crowd(real_system, CALLERS).calling() as log, frozen(real_system, "redis"):
        time.sleep(2)
    assert log.statuses(READERS, WRITERS) == {200, 201}
    assert log.slowest().seconds < 6, log.slowest()
