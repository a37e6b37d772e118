"""A process that dies in the middle of a write: the same call again makes one row, whenever the first one died."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from django.conf import settings
from django.db import connection

from config.events.models import Event
from tasks_app.models import Task
from tests.accounts.keycloak import Mint
from tests.cast import PEOPLE, Caller, assert_problem
from tests.config.servers import eventually

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.django_db(transaction=True)

# A call in a process of its own, that stands still where its first argument says.
CALL = """
import sys, django
django.setup()
from django.test import Client
from config.api import idempotency
from config.events import log
from tasks_app.services import rules

def halt(function):
    def halted(*arguments, **named):
        print("halted", flush=True)
        sys.stdin.readline()
        return function(*arguments, **named)
    return halted

where, token, task = sys.argv[1:]
if where == "before the insert":
    rules.created = halt(rules.created)
elif where == "before the commit":
    log._tell_the_cache = halt(log._tell_the_cache)
elif where == "after the commit":
    idempotency.wrote = halt(idempotency.wrote)
headers = {"authorization": f"Bearer {token}", "idempotency-key": "k-crash"}
if task:
    answer = Client().patch(f"/v1/tasks/{task}", {"title": "Once"}, "application/json", headers=headers)
else:
    answer = Client().post("/v1/tasks", {"title": "Once"}, "application/json", headers=headers)
print(answer.status_code, flush=True)
"""


@pytest.fixture
def halted(tokens: Mint) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Starts the call (a create, or a patch of `task`) and waits until it stands still."""
    started = []

    def start(where: str, task: str = "") -> "subprocess.Popen[str]":
        values = connection.settings_dict
        dsn = "postgresql://{USER}:{PASSWORD}@{HOST}:{PORT}/{NAME}".format(**values)
        environment = {
            **os.environ,
            "DATABASE_URL": dsn,
            "DATABASE_DIRECT_URL": dsn,
            "OIDC_ISSUER": settings.OIDC_ISSUER,
            "ALLOWED_HOSTS": "testserver",
        }
        process = subprocess.Popen(
            [sys.executable, "-c", CALL, where, PEOPLE["alice"].token(tokens), task],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout
        while (line := process.stdout.readline()) != "halted\n":
            assert line, "the call ended before it stood still"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def again(alice: Caller) -> int:
    answer = alice.post("/v1/tasks", {"title": "Once"}, idempotency_key="k-crash")
    if answer.status_code == 409:
        assert_problem(answer, 409, "in-flight")
    return int(answer.status_code)


def test_a_call_that_still_runs_is_409_and_its_death_frees_the_key(
    alice: Caller, halted: Callable[[str], "subprocess.Popen[str]"]
) -> None:
    process = halted("before the commit")
    assert [again(alice), again(alice)] == [409, 409]
    assert Task.objects.count() == 0
    process.kill()
    process.wait()
    eventually(lambda: again(alice) == 201, "the key is free")
    assert (Task.objects.count(), Event.objects.count()) == (1, 1)


def test_a_patch_that_still_runs_is_409_at_once_although_it_holds_the_row(
    alice: Caller, halted: Callable[..., "subprocess.Popen[str]"]
) -> None:
    task = alice.make()["id"]
    process = halted("before the commit", task)
    for _ in range(2):
        answer = alice.patch(f"/v1/tasks/{task}", {"title": "Once"}, idempotency_key="k-crash")
        assert_problem(answer, 409, "in-flight")
    output, _ = process.communicate("go on\n", timeout=60)
    assert output.splitlines()[-1] == "200"
    again = alice.patch(f"/v1/tasks/{task}", {"title": "Once"}, idempotency_key="k-crash")
    assert (again.headers["Idempotency-Replayed"], again.json()["version"]) == ("true", 2)


@pytest.mark.timeout(60)
def test_what_was_answered_or_refused_waits_for_no_other_writer_of_the_task(alice: Caller, bob: Caller) -> None:
    task = alice.make()["id"]
    path, change = f"/v1/tasks/{task}", {"title": "Once"}
    first = alice.patch(path, change, idempotency_key="k-1")
    with psycopg.connect(**connection.get_connection_params()) as other:  # a bulk that names the task, for one
        other.execute("SELECT pg_advisory_xact_lock(%s)", [UUID(task).int & (2**63 - 1)])
        again = alice.patch(path, change, idempotency_key="k-1")
        assert (again.headers["Idempotency-Replayed"], again.content) == ("true", first.content)
        assert_problem(alice.patch(path, {"title": "Twice"}, idempotency_key="k-1"), 422)
        assert_problem(alice.patch(path, change, idempotency_key="k-2", if_match='"1"'), 412)
        assert_problem(bob.patch(path, change, idempotency_key="k-1"), 404)


def test_a_call_that_comes_too_late_gets_the_answer_of_the_same_call_made_meanwhile(
    alice: Caller, halted: Callable[[str], "subprocess.Popen[str]"]
) -> None:
    process = halted("before the insert")  # it has not taken the key yet, and holds up nobody
    assert again(alice) == 201
    output, _ = process.communicate("go on\n" * 9, timeout=60)
    assert output.splitlines()[-1] == "201"
    assert (Task.objects.count(), Event.objects.count()) == (1, 1)


def test_a_death_before_the_insert_leaves_the_key_free(
    alice: Caller, halted: Callable[[str], "subprocess.Popen[str]"]
) -> None:
    process = halted("before the insert")
    process.kill()
    process.wait()
    assert (again(alice), Task.objects.count()) == (201, 1)


def test_a_death_after_the_commit_leaves_the_answer(
    alice: Caller, halted: Callable[[str], "subprocess.Popen[str]"]
) -> None:
    process = halted("after the commit")
    process.kill()
    process.wait()
    answer = alice.post("/v1/tasks", {"title": "Once"}, idempotency_key="k-crash")
    assert (answer.status_code, answer.headers["Idempotency-Replayed"]) == (201, "true")
    assert [str(task.id) for task in Task.objects.all()] == [answer.json()["id"]]


def test_a_call_that_goes_on_gets_its_answer(alice: Caller, halted: Callable[[str], "subprocess.Popen[str]"]) -> None:
    process = halted("before the commit")
    output, _ = process.communicate("go on\n", timeout=60)
    assert output.splitlines()[-1] == "201"
    assert (again(alice), Task.objects.count()) == (201, 1)
