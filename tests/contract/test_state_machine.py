"""Random lives of tasks, through the whole middleware on a real PostgreSQL and a real Redis, against `model.Model`.

Hypothesis draws the calls and, when the server and the model part, shrinks them to the fewest that show it. The runs
are the same each time; `CONTRACT_RUNS=2000` makes more of them.
"""

import copy
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, multiple, rule, run_state_machine_as_test

from tests.accounts.keycloak import Mint
from tests.cast import Answer, Caller, Person, assert_problem
from tests.contract import drawn
from tests.contract.model import Actor, Json, Model
from tests.tasks_app import feed

RUNS, STEPS = int(os.environ.get("CONTRACT_RUNS", "100")), 30
ACTIONS = {
    "patch": ("PATCH", "/v1/tasks/{}"),
    "delete": ("DELETE", "/v1/tasks/{}"),
    "restore": ("POST", "/v1/tasks/{}/restore"),
    "purge": ("DELETE", "/v1/trash/{}"),
}
NOT_FINAL = {401, 403, 429}  # refusals that leave a key free


@dataclass(frozen=True)
class Call:
    """A write with a key, and what it got. `subjects` are the tasks that a stored answer tells of."""

    name: str
    method: str
    path: str
    body: Json | None
    headers: dict[str, str]
    answer: Answer
    subjects: tuple[str, ...]


class Tasks(RuleBasedStateMachine):
    callers: ClassVar[Callable[[str], Caller]]
    flush: ClassVar[Callable[[], object]]

    tasks = Bundle("tasks")
    made = Bundle("made")  # calls that made a task
    calls = Bundle("calls")
    task = tasks | made.map(lambda call: call.subjects[0])

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.people = {name: type(self).callers(name) for name in drawn.NAMES}
        self.actors = {name: Actor(caller.id, oversees=name == "ada") for name, caller in self.people.items()}
        self.feeds: dict[str, tuple[Json, str | None]] = {name: ({}, None) for name in drawn.NAMES}
        for caller in self.people.values():
            assert caller.get("/v1/me").status_code == 200  # from now on known: tasks can be assigned

    # Writes

    @initialize(target=tasks, several=st.lists(drawn.creation, min_size=5, max_size=5))
    def begin(self, several: list[Json]) -> Any:
        return multiple(*(self.create(name="bob" if n == 0 else "alice", sent=sent) for n, sent in enumerate(several)))

    @rule(target=tasks, name=drawn.who, sent=drawn.creation)
    def create(self, name: str, sent: Json) -> str:
        body = self._sent(sent)
        return self._made(name, body, self.people[name].post("/v1/tasks", body))

    @rule(target=made, name=drawn.who, sent=drawn.creation)
    def create_with_a_key(self, name: str, sent: Json) -> Call:
        body, headers = self._sent(sent), _key()
        answer = self.people[name].call("POST", "/v1/tasks", body, headers=headers)
        return Call(name, "POST", "/v1/tasks", body, headers, answer, (self._made(name, body, answer),))

    @rule(target=calls, name=drawn.who, task=task, sent=drawn.patch, version=drawn.version, with_key=st.booleans())
    def patch(self, name: str, task: str, sent: Json, version: str | None, with_key: bool) -> Any:
        return self._change("patch", name, task, version=version, with_key=with_key, body=self._sent(sent))

    @rule(
        target=calls,
        name=drawn.who,
        action=st.sampled_from(["delete", "delete", "restore", "purge"]),
        task=task,
        version=drawn.version,
        with_key=st.booleans(),
    )
    def delete_or_restore(self, name: str, action: str, task: str, version: str | None, with_key: bool) -> Any:
        return self._change(action, name, task, version=version, with_key=with_key)

    @rule(target=calls, name=drawn.who, operations=drawn.operations(task), atomic=st.booleans(), dry_run=st.booleans())
    def bulk(self, name: str, operations: list[Any], atomic: bool, dry_run: bool) -> Any:
        sent = [self._operation(*operation) for operation in operations]
        body = {"mode": "atomic" if atomic else "partial", "dry_run": dry_run, "operations": sent}
        headers, expected = _key(), self._foreseen(name, sent)
        answer = self.people[name].call("POST", "/v1/tasks/bulk", body, headers=headers)
        failed = [status for status in expected if status >= 400]
        if atomic and failed:
            assert_problem(answer, failed[0])
            results = []
        else:
            assert answer.status_code == (200 if atomic else 207), answer.content
            results = answer.json()["results"]
            assert [result["status"] for result in results] == expected
        if dry_run or answer.status_code in NOT_FINAL:
            return multiple()
        subjects = [self._bulk_did(name, *pair) for pair in zip(sent, results, strict=True)] if results else []
        told = tuple(subject for subject in subjects if subject is not None)
        return Call(name, "POST", "/v1/tasks/bulk", body, headers, answer, told)

    # Retries

    @rule(call=calls | made)
    def retry(self, call: Call) -> None:
        """The first answer again, whatever has happened since; never the effect again."""
        answer = self._again(call, call.name, call.body)
        actor = self.actors[call.name]
        if any(task not in self.model.tasks for task in call.subjects):
            assert_problem(answer, 410)
        elif call.method != "DELETE" and not all(self.model.visible(actor, task) for task in call.subjects):
            assert_problem(answer, 404)
        else:
            _assert_replayed(call, answer)

    @rule(call=calls | made)
    def same_key_with_another_body(self, call: Call) -> None:
        if call.path == "/v1/tasks" or call.method == "PATCH":
            assert_problem(self._again(call, call.name, {**(call.body or {}), "title": "another"}), 422)

    @rule(target=tasks, call=made, name=drawn.who)
    def same_key_of_somebody_else(self, call: Call, name: str) -> Any:
        if name == call.name:
            return multiple()
        answer = self._again(call, name, call.body)
        if "Idempotency-Replayed" in answer.headers or answer.status_code in {404, 410}:
            return multiple()  # he has used this key here himself, in a step like this one
        return self._made(name, call.body or {}, answer)

    def _again(self, call: Call, name: str, body: Json | None) -> Answer:
        return self.people[name].call(call.method, call.path, body, headers=call.headers)

    # Reads

    @rule(name=drawn.who, task=task, held=drawn.held)
    def read(self, name: str, task: str, held: str | None) -> None:
        version = self._version(task, held)
        headers = {"If-None-Match": version} if version is not None else {}
        answer = self.people[name].get(f"/v1/tasks/{task}", headers=headers)
        found = self.model.tasks.get(task)
        if found is None or not self.model.visible(self.actors[name], task) or found["deleted_at"] is not None:
            assert_problem(answer, 404)
            return
        assert answer.headers["ETag"] == f'"{found["version"]}"'
        assert answer.status_code == (304 if held == "current" else 200)
        assert answer.content == b"" if held == "current" else answer.json() == found

    @rule(name=drawn.who, query=drawn.query, page_size=drawn.page_size)
    def list_all(self, name: str, query: Json, page_size: int) -> None:
        rows = self.people[name].pages("/v1/tasks", **query, page_size=page_size)
        assert rows == self.model.listed(self.actors[name], query)

    @rule(name=drawn.who, page_size=drawn.page_size)
    def list_trash(self, name: str, page_size: int) -> None:
        rows = self.people[name].pages("/v1/trash", page_size=page_size)
        known = {task["id"] for task in self.model.trash(self.actors[name])}
        assert {row["id"] for row in rows} == known
        assert rows == [self.model.trashed(row["id"], row) for row in rows]
        assert rows == sorted(rows, key=lambda row: (row["deleted_at"], row["id"]), reverse=True)

    @rule(name=drawn.who, task=task, page_size=drawn.page_size)
    def history(self, name: str, task: str, page_size: int) -> None:
        if not self.model.visible(self.actors[name], task):
            assert_problem(self.people[name].get(f"/v1/tasks/{task}/history"), 404)
            return
        rows = self.people[name].pages(f"/v1/tasks/{task}/history", page_size=page_size)
        assert [(row["type"], row["version"]) for row in rows] == self.model.events[task]

    @rule(name=drawn.who, page_size=drawn.page_size)
    def follow(self, name: str, page_size: int) -> None:
        """Whoever applies the feed's entries in turn has the list."""
        kept, cursor = self.feeds[name]
        self.feeds[name] = (kept, feed.apply(self.people[name], kept, cursor, page_size=page_size))
        assert kept == {task["id"]: task for task in self.model.listed(self.actors[name], {})}

    @rule()
    def flush_redis(self) -> None:
        type(self).flush()

    def teardown(self) -> None:
        for name in self.people:
            self.list_all(name=name, query={"sort": "-updated_at"}, page_size=100)
        self.list_trash(name="alice", page_size=100)

    # What the writes share

    def _sent(self, fields: Json) -> Json:
        """With the ids of this run's people."""
        name = fields.get("assignee")
        return {**fields, "assignee": self.people[name].id} if name is not None else fields

    def _version(self, task: str, kind: str | None) -> str | None:
        found = self.model.tasks.get(task, {"version": 1})["version"]
        return {"current": f'"{found}"', "stale": f'"{found + 1}"'}.get(kind, kind) if kind else None

    def _made(self, name: str, body: Json, answer: Answer) -> str:
        assert answer.status_code == 201, answer.content
        task: str = answer.json()["id"]
        assert task not in self.model.tasks
        assert answer.json() == self.model.created(self.actors[name], body, answer.json())
        assert (answer.headers["Location"], answer.headers["ETag"]) == (f"/v1/tasks/{task}", '"1"')
        return task

    def _change(
        self, action: str, name: str, task: str, *, version: str | None, with_key: bool, body: Json | None = None
    ) -> Any:
        """A write on a task: its answer must be the model's. Told for a retry when it has a key."""
        method, path = ACTIONS[action]
        if_match = self._version(task, version)
        expected = self.model.refusal(self.actors[name], action, task, if_match, set(body or ()))
        headers = {**({"If-Match": if_match} if if_match else {}), **(_key() if with_key else {})}
        answer = self.people[name].call(method, path.format(task), body, headers=headers)
        if expected is not None:
            assert_problem(answer, expected)
        else:
            self._took_effect(action, task, body or {}, answer)
        if not with_key or answer.status_code in NOT_FINAL:
            return multiple()
        told = (task,) if expected is None and action != "purge" else ()
        return Call(name, method, path.format(task), body, headers, answer, told)

    def _took_effect(self, action: str, task: str, body: Json, answer: Answer) -> None:
        assert answer.status_code == (200 if action in {"patch", "restore"} else 204), answer.content
        got = answer.json() if answer.content else {}
        after = self.model.apply(action, task, body, got)
        if answer.content:
            assert got == after
            assert answer.headers["ETag"] == f'"{got["version"]}"'

    def _operation(self, op: str, task: str | None, body: Json | None, kind: str | None) -> Json:
        version = None if task is None or kind is None else int(str(self._version(task, kind)).strip('"'))
        told = {"id": task, "if_match": version, "body": None if body is None else self._sent(body)}
        return {"op": op, **{name: value for name, value in told.items() if value is not None}}

    def _foreseen(self, name: str, operations: list[Json]) -> list[int]:
        """The status of each operation, when each sees those before it."""
        trial, statuses = copy.deepcopy(self.model), []
        for operation in operations:
            statuses.append(trial.foreseen(self.actors[name], operation))
        return statuses

    def _bulk_did(self, name: str, operation: Json, result: Json) -> str | None:
        """Keeps in the model what one operation did; whose task it was, None when it failed."""
        if result["status"] >= 400:
            return None
        got = result["body"]
        after = self.model.operated(self.actors[name], operation, got or {})
        assert got is None or got == after
        return str(after["id"])


def _key() -> dict[str, str]:
    return {"Idempotency-Key": f"{uuid4()}"}


def _assert_replayed(call: Call, answer: Answer) -> None:
    assert answer.status_code == call.answer.status_code
    assert answer.content == call.answer.content
    assert answer.headers["Idempotency-Replayed"] == "true"
    for name in ("ETag", "Location", "Content-Type", "Consistency-Token"):
        if call.answer.status_code < 400 or name in {"ETag", "Content-Type"}:
            assert answer.headers.get(name) == call.answer.headers.get(name), name


@pytest.mark.django_db(transaction=True)
@pytest.mark.timeout(3600)
def test_tasks_live_as_the_model_says(
    redis: Any, tokens: Mint, limits: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, logger="api")  # thousands of lines, which pytest would keep
    limits(user=(10**6, 60), task=(10**6, 60), ip=(10**6, 60))

    def caller(name: str) -> Caller:
        """Somebody new for each run, so that runs share no task."""
        person = Person(str(uuid4()), f"{name}-{uuid4()}", ("admin" if name == "ada" else "user",))
        return Caller(person, person.token(tokens))

    Tasks.callers, Tasks.flush = staticmethod(caller), staticmethod(redis.flushdb)
    run_state_machine_as_test(
        Tasks,
        settings=settings(
            max_examples=RUNS,
            stateful_step_count=STEPS,
            derandomize=True,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
