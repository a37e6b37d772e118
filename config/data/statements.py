"""Statements that are sent together: one round trip for all of them, as `config.cache.redis.together` is for Redis."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from django.db import DEFAULT_DB_ALIAS, connections

Rows = list[tuple[Any, ...]]


class LostRace(Exception):
    """A statement missed what it was to change: somebody wrote between our read and our write. Start again."""


class Statement(NamedTuple):
    sql: str
    values: Sequence[Any] = ()
    rows: int | None = None  # that it must find or change: LostRace if it did not


def together(statements: Sequence[Statement], *, using: str = DEFAULT_DB_ALIAS) -> list[Rows]:
    """The rows of each, in their order. To the primary, in the caller's transaction; each sees what was committed
    before it began, and those after one that fails do not run.
    """
    found = []
    with connections[using].cursor() as cursor:
        cursor.execute("; ".join(one.sql for one in statements), [value for one in statements for value in one.values])
        answers = cursor.cursor  # the driver's own: Django's around it looks for each name twice
        for number, statement in enumerate(statements):
            if number:
                answers.nextset()
            if statement.rows is not None and answers.rowcount != statement.rows:
                raise LostRace
            found.append(answers.fetchall() if answers.pgresult.nfields else [])
    return found
