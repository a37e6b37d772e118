"""What the probe has left behind."""

from typing import Any
from uuid import UUID

from django.db import connection

from tests.events.broker import eventually


def query(sql: str, *values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return list(cursor.fetchall())


def execute(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)


def effects() -> list[UUID]:
    """The events that had their effect, in the order of the effects."""
    return [row[0] for row in query("SELECT event_id FROM probe_effect ORDER BY number")]


def attempts(event: UUID) -> int:
    return int(query("SELECT count(*) FROM probe_attempt WHERE event_id = %s", event)[0][0])


def await_effects(count: int, *, within: float = 60) -> list[UUID]:
    eventually(lambda: len(effects()) >= count, within=within, what=f"{count} effects")
    return effects()
