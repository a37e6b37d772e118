"""Statements that are sent together: one round trip for all of them, as `config.cache.redis.together` is for Redis."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

from django.db import DEFAULT_DB_ALIAS, DatabaseError, InterfaceError, OperationalError, connections
from psycopg.errors import LockNotAvailable, QueryCanceled

from config import batch

Rows = list[tuple[Any, ...]]


class LostRace(Exception):
    """A statement missed what it was to change: somebody wrote between our read and our write. Start again."""


class Statement(NamedTuple):
    sql: str
    values: Sequence[Any] = ()
    rows: int | None = None  # that it must find or change: LostRace if it did not


class Insert(NamedTuple):
    """New rows. Those of several writes can be put into one statement, which `statement` makes."""

    statement: Callable[[Sequence[Any]], Statement]
    rows: Sequence[Any]


def merged(parts: Sequence[Statement | Insert]) -> list[Statement]:
    """The inserts, one statement for each kind, and behind them the rest."""
    inserts: dict[Callable[[Sequence[Any]], Statement], list[Any]] = {}
    for part in parts:
        if isinstance(part, Insert):
            inserts.setdefault(part.statement, []).extend(part.rows)
    return [make(rows) for make, rows in inserts.items()] + [part for part in parts if isinstance(part, Statement)]


def read(statement: Statement, *, using: str) -> Rows:
    """The rows of one that only reads, in one round trip with what other calls of the batch read there."""
    return batch.ask(_reads(using), statement, is_long=True)


@cache
def _reads(alias: str) -> Callable[[Sequence[Statement]], list[Rows | Exception]]:
    return lambda statements: _read_each(alias, statements)


def is_of_all(error: Exception) -> bool:
    """Whether the database failed, and with it all who asked; not when one statement has waited for too long."""
    is_of_one = isinstance(error.__cause__, LockNotAvailable | QueryCanceled)
    return isinstance(error, OperationalError | InterfaceError) and not is_of_one


def _read_each(alias: str, statements: Sequence[Statement]) -> list[Rows | Exception]:
    try:
        return [*together(statements, using=alias)]
    except (DatabaseError, InterfaceError) as error:
        if is_of_all(error) or len(statements) == 1:
            raise
        return [_alone(alias, statement) for statement in statements]


def _alone(alias: str, statement: Statement) -> Rows | Exception:
    try:
        return together([statement], using=alias)[0]
    except DatabaseError as error:
        return error


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
