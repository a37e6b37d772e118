"""The pooler is killed and comes back: no kept connection of an instance answers for it afterwards."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.journeys.system import System

pytestmark = [pytest.mark.stack, pytest.mark.timeout(120)]

CALLERS = 32


def test_after_a_restart_of_the_pooler_every_call_is_answered(real_system: System) -> None:
    callers = [real_system.caller("alice") for _ in range(CALLERS)]
    pooler = real_system.local.part("pgbouncer")
    with ThreadPoolExecutor(CALLERS) as threads:

        def answers() -> set[int]:
            reads = threads.map(lambda caller: caller.get("/v1/tasks").status_code, callers)
            writes = threads.map(lambda caller: caller.post("/v1/tasks", {"title": "x"}).status_code, callers)
            return {*reads, *writes}

        assert answers() == {200, 201}
        pooler.kill()
        pooler.start()
        assert answers() == {200, 201}
