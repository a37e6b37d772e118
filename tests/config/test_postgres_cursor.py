"""A transaction begins with its first statement, whatever kind that is, and without a round trip of its own."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction
from psycopg import sql
from psycopg.pq import TransactionStatus

from config.data.statements import LostRace, Statement, together
from tests.config.servers import eventually

pytestmark = pytest.mark.django_db(transaction=True)


def _execute(query: Any) -> Callable[[Any], Any]:
    return lambda cursor: cursor.execute(query)


def _copy(cursor: Any) -> None:
    with cursor.copy("COPY events_cursor (name, xid, id) FROM STDIN") as copy:
        copy.write_row(("mine", "1", "00000000-0000-4000-8000-000000000001"))


INSERT = "INSERT INTO events_cursor (name, xid, id) VALUES ('mine', '1', '00000000-0000-4000-8000-000000000001')"
FIRST = {
    "a text": _execute(INSERT),
    "composed": _execute(sql.SQL(INSERT)),
    "many": lambda cursor: cursor.executemany(INSERT.replace("'mine'", "%s"), [("mine",)]),
    "a copy": _copy,
}


def rows() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM events_cursor WHERE name = 'mine'")
        return int(cursor.fetchone()[0])


def status() -> int:
    return int(connection.connection.pgconn.transaction_status)


@pytest.mark.parametrize("first", FIRST.values(), ids=FIRST)
def test_what_comes_first_is_in_the_transaction(first: Callable[[Any], Any]) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        first(cursor)
        assert status() == TransactionStatus.INTRANS
        assert rows() == 1
        transaction.set_rollback(True)
    assert (rows(), status()) == (0, TransactionStatus.IDLE)


def test_what_stands_alone_is_committed_at_once() -> None:
    with connection.cursor() as cursor:
        cursor.execute(INSERT)
        assert status() == TransactionStatus.IDLE
        cursor.execute("DELETE FROM events_cursor WHERE name = 'mine'")
        assert cursor.rowcount == 1


def test_the_first_statement_has_its_own_result() -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT 1; SELECT %s", [2])
        assert cursor.fetchall() == [(1,)]
        assert cursor.nextset()
        assert cursor.fetchall() == [(2,)]


def test_an_error_ends_the_transaction_and_not_the_connection() -> None:
    for query in ("SELECT 1 / 0", "SELEC"):
        with pytest.raises(Exception, match=r"division|syntax"), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(query)
        assert status() == TransactionStatus.IDLE
    assert rows() == 0


def test_statements_together_answer_in_their_order() -> None:
    with transaction.atomic():
        one, insert, count = together(
            [
                Statement("SELECT %s", ["one"]),
                Statement(INSERT, rows=1),
                Statement("SELECT count(*) FROM events_cursor WHERE name = %s", ["mine"]),
            ]
        )
        transaction.set_rollback(True)
    assert (one, insert, count) == ([("one",)], [], [(1,)])


def test_a_statement_that_misses_takes_all_back() -> None:
    with pytest.raises(LostRace), transaction.atomic():
        together([Statement(INSERT), Statement("DELETE FROM events_cursor WHERE name = 'nobody'", rows=1)])
    assert rows() == 0


def test_a_statement_sees_what_was_committed_while_the_one_before_it_waited() -> None:
    """What the claim of a key and the lock of a task lean on: each statement of a message has its own snapshot."""
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(4711)")
            held.set()
            cursor.execute(INSERT)
            eventually(lambda: _waiters() == 1, "the other one waits for the lock")
        done.set()
        connection.close()

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(30)
    count = Statement("SELECT count(*) FROM events_cursor WHERE name = 'mine'")
    with transaction.atomic():
        _, [[found]] = together([Statement("SELECT pg_advisory_xact_lock(4711)"), count])
    holder.join()
    assert (found, done.is_set()) == (1, True)


def _waiters() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objid = 4711")
        return int(cursor.fetchone()[0])
