"""What a drill waits for before it begins."""

from typing import Any

import psycopg
import redis

from config.cache import memory
from tests.journeys.system import System, eventually


def redis_is_believed(system: System) -> None:
    """While it may have forgotten who wrote, all read the primary."""
    system.caller("alice").get("/v1/me").raise_for_status()  # it has a memory from the first question on
    with redis.Redis.from_url(system.local.part("redis").url) as client:

        def old() -> bool:
            name, now = client.get(memory.KEY), client.time()
            return name is not None and now[0] * 1000 - int(name) // 1000 > memory.YOUNG + 1000

        eventually(old, 60, "its memory is old enough")


def replica_catches_up(system: System) -> None:
    """What a replica does not have when its primary freezes, nobody has: its writer is told so, and nobody else."""

    def ask(part: str, sql: str) -> Any:
        with psycopg.connect(system.local.part(part).url, autocommit=True) as connection:
            row = connection.execute(sql).fetchone()
            return row and row[0]

    written = ask("postgres-primary", "SELECT pg_current_wal_lsn()")
    eventually(
        lambda: ask("postgres-replica", f"SELECT pg_last_wal_replay_lsn() >= '{written}'"), 30, "the replica has it"
    )
