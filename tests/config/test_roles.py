"""The database's roles: what each may not do, and that a whole API lives with the least of them"""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.db import connection
from psycopg import errors

from config.data import ids, partitions
from config.data.partitions import Month
from config.launch.stack.postgres import API, MIGRATOR, READER, WORKER
from tests.accounts.keycloak import Mint
from tests.config.clock import move_on
from tests.config.conftest import caller
from tests.config.postgres_pair import PostgresPair

NOW = Month.of(datetime.now(UTC))
TASK, EVENT = NOW.table("task"), NOW.table("event")
NOBODY = [API, WORKER, READER]
MAY_NOT = [
    ("CREATE TABLE x (id integer)", NOBODY),
    ("CREATE SCHEMA x", NOBODY),
    ("CREATE EXTENSION hstore", NOBODY),
    ("CREATE FUNCTION x() RETURNS integer LANGUAGE sql AS 'SELECT 1'", NOBODY),
    ("ALTER TABLE task ADD COLUMN x integer", NOBODY),
    ("ALTER TABLE task DISABLE TRIGGER task_counted_insert", NOBODY),
    ("ALTER ROLE current_user SUPERUSER", NOBODY),
    ("DROP TABLE task", NOBODY),
    ("TRUNCATE event", NOBODY),
    ("CREATE INDEX ON task (title)", NOBODY),
    (f"DROP TABLE {TASK}", NOBODY),
    (f"ALTER TABLE event DETACH PARTITION {EVENT}", NOBODY),
    (f"SELECT * FROM {TASK}", NOBODY),  # a month has no rights of its own: through its table, or not at all
    (f"DELETE FROM {EVENT}", NOBODY),
    ("DELETE FROM event", NOBODY),
    ("UPDATE event SET owner = 'x'", NOBODY),
    ("UPDATE django_migrations SET name = 'x'", NOBODY),
    ("SELECT pg_read_file('/etc/passwd')", [*NOBODY, MIGRATOR]),
    ("COPY task TO PROGRAM 'cat'", [*NOBODY, MIGRATOR]),
    ("CREATE TEMPORARY TABLE x (id integer)", [API, READER]),
    ("UPDATE events_cursor SET xid = '0'", [API, READER]),
    ("DELETE FROM events_processed", [API, READER]),
    ("UPDATE daily_rollup SET created = 0", [API, READER]),
    ("DELETE FROM task_import", [API, READER]),
    (f"SELECT make_month('task', '{NOW.plus(9).start:%Y-%m-%d}')", [READER]),
]


@pytest.fixture(autouse=True)
def an_api(migrated_pair: PostgresPair, redis: Any, tokens: Mint) -> None:
    """On the pair, by the least of the roles (`on_the_pair`)."""


def refused(pair: PostgresPair, user: str, *statements: str) -> None:
    with pair.connect("primary", user=user) as session:
        session.execute("SET default_transaction_read_only = off")  # which anybody may
        for sql in statements:
            try:
                session.execute(sql)
            except errors.InsufficientPrivilege:
                continue
            pytest.fail(f"{user} may: {sql}")


def test_the_api_s_statements_have_an_end_before_the_pooler_s(migrated_pair: PostgresPair) -> None:
    with migrated_pair.connect("primary", user=API) as session:
        limits = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
        told = [session.execute(f"SHOW {name}").fetchone() for name in limits]
        assert told == [("1800ms",), ("1500ms",), ("10s",)]
        with pytest.raises(errors.QueryCanceled):
            session.execute("SELECT pg_sleep(60)")


@pytest.mark.parametrize("user", [*NOBODY, MIGRATOR])
def test_what_a_role_may_not_do(migrated_pair: PostgresPair, user: str) -> None:
    refused(migrated_pair, user, *(sql for sql, who in MAY_NOT if user in who))


def test_the_reader_only_reads(migrated_pair: PostgresPair) -> None:
    writes = [
        "INSERT INTO task_count VALUES (1)",
        "UPDATE task SET title = 'x'",
        "DELETE FROM task",
        "DELETE FROM account",
    ]
    for sql in writes:
        with migrated_pair.connect("primary", user=READER) as session, pytest.raises(errors.ReadOnlySqlTransaction):
            session.execute(sql)
    refused(migrated_pair, READER, *writes)
    with migrated_pair.connect("replica", user=READER) as session:
        assert session.execute("SELECT count(*) FROM task").fetchone()


def test_an_api_lives_with_the_least_roles(migrated_pair: PostgresPair, tokens: Mint) -> None:
    """So do all tests on the pair, and the stack; the purge is what changes events."""
    alice = caller(tokens, "alice")
    assert alice.get("/v1/me").status_code == 200
    where = f"/v1/tasks/{alice.make()['id']}"
    assert alice.patch(where, {"status": "completed"}).status_code == 200
    assert alice.get("/v1/tasks/counts").json()["completed"] >= 1
    assert alice.delete(where).status_code == 204
    assert alice.delete(where.replace("tasks", "trash")).status_code == 204
    assert alice.get("/v1/changes").status_code == 200
    assert alice.get("/readyz", verbose="").json()["checks"]["migrations"]["status"] == "ok"


def test_every_table_can_be_read_by_the_reader_and_is_the_migrators(migrated_pair: PostgresPair) -> None:
    """A new table that no default covers would be noticed on the first read from a replica."""
    ask = """SELECT relname, pg_get_userbyid(relowner), has_table_privilege('taskmill_reader', oid, 'SELECT')
             FROM pg_class
             WHERE relnamespace = 'public'::regnamespace AND relname = ANY(%s)"""
    names = connection.introspection.django_table_names()
    with migrated_pair.connect("primary") as session:
        tables = session.execute(ask, [names]).fetchall()
    assert {name for name, *_ in tables} == set(names)
    assert {(owner, readable) for _, owner, readable in tables} == {(MIGRATOR, True)}


@pytest.mark.parametrize("user", [API, WORKER])
def test_a_month_is_made_by_a_role_that_may_make_no_table(migrated_pair: PostgresPair, user: str) -> None:
    month = NOW.plus({API: 7, WORKER: 8}[user])
    ask = f"SELECT make_month('event', '{month.start:%Y-%m-%d}')"
    with migrated_pair.connect("primary", user=user) as session:
        assert session.execute(ask).fetchone() == (True,)
        assert session.execute(ask).fetchone() == (False,)
        session.execute(
            "INSERT INTO event (id, type, subject, owner, actor, request_id, traceparent, at)"
            " VALUES (%s, 'x', %s, '', '', '', '', now())",
            [ids.uuid7(month.start + timedelta(days=1))] * 2,
        )
    with migrated_pair.connect("primary") as session:
        owner = session.execute("SELECT tableowner FROM pg_tables WHERE tablename = %s", [month.table("event")])
        assert owner.fetchone() == (MIGRATOR,)
        session.execute("DELETE FROM event WHERE owner = ''")
    refused(migrated_pair, user, f"SELECT * FROM {month.table('event')}")


def test_a_write_of_the_api_makes_the_month_that_it_misses(
    migrated_pair: PostgresPair, tokens: Mint, monkeypatch: pytest.MonkeyPatch
) -> None:
    month = move_on(monkeypatch, NOW.plus(6))
    assert month not in partitions.existing(connection, "task")
    task = caller(tokens, "alice").make()["id"]
    assert Month.of(ids.instant(UUID(task))) == month
    with migrated_pair.connect("primary") as session:  # which other tests share: it would head every list of theirs
        session.execute("DELETE FROM task WHERE id = %s", [task])
        session.execute("DELETE FROM event WHERE subject = %s", [task])


@pytest.mark.parametrize(
    ("table", "month"),
    [
        ("account", "2026-01-01"),
        ("nothing", "2026-01-01"),
        ("pg_class", "2026-01-01"),
        ('task"; DROP TABLE task; --', "2026-01-01"),
        ("task", "2026-01-02"),
        ("task", "1969-12-01"),
        ("task", "2199-01-01"),
    ],
)
def test_make_month_makes_months_and_nothing_else(migrated_pair: PostgresPair, table: str, month: str) -> None:
    with migrated_pair.connect("primary", user=API) as session, pytest.raises(errors.InvalidParameterValue):
        session.execute("SELECT make_month(%s, %s)", [table, month])


def test_roles_of_before_are_brought_to_the_same_end(migrated_pair: PostgresPair) -> None:
    """A database that one role owned: the script runs again, and `migrate` after it."""
    with migrated_pair.connect("primary") as session:
        session.execute("REASSIGN OWNED BY taskmill_migrator TO taskmill; GRANT pg_monitor TO taskmill")
        session.execute("REVOKE ALL ON account FROM taskmill_reader, taskmill_worker")
    migrated_pair.run("postgres-roles")
    migrated_pair.migrate()
    for sql in ("DROP TABLE task", "DELETE FROM event", "UPDATE daily_rollup SET created = 0"):
        refused(migrated_pair, API, sql)
    test_every_table_can_be_read_by_the_reader_and_is_the_migrators(migrated_pair)
    with psycopg.connect(**connection.get_connection_params()) as session:
        assert session.execute("SELECT current_user").fetchone() == (API,)
    assert partitions.months_ahead(connection) >= 2
