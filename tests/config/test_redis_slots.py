"""All keys of a command lie in one slot: a Redis Cluster refuses any other (CROSSSLOT)."""

from typing import Any

import pytest
from redis.crc import key_slot

from config.cache import gate
from config.cache import redis as house_redis
from config.cache.commands import Command
from tests.cast import Caller
from tests.tasks_app.test_tasks_get import where

pytestmark = pytest.mark.django_db(transaction=True)


def keys(command: Command) -> list[str]:
    verb, *rest = command.words
    if verb == "EVALSHA":
        _, number, *given = rest
        return [str(key) for key in given[: int(number)]]
    assert verb in {"GET", "SET", "DEL"}, command
    return [str(rest[0])]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Command]:
    commands: list[Command] = []
    ask = house_redis._ask

    def note(asked: Any) -> Any:
        commands.extend(asked)
        return ask(asked)

    monkeypatch.setattr(house_redis, "_ask", note)
    return commands


def test_each_command_keeps_to_one_slot(alice: Caller, bob: Caller, ada: Caller, sent: list[Command]) -> None:
    task = alice.make(title="one", assignee=bob.id)
    for caller in (alice, bob, ada):
        for path in (where(task), "/v1/tasks", "/v1/tasks?status=pending,in-progress", where(task)):
            caller.get(path)
    etag = alice.get(where(task)).headers["ETag"]
    assert alice.get(where(task), headers={"if-none-match": etag}).status_code == 304
    alice.patch(where(task), {"title": "two"})
    create = {"op": "create", "body": {"title": "three"}}
    assert alice.post("/v1/tasks/bulk", {"operations": [create, {"op": "delete", "id": task["id"]}]}).status_code == 200
    gate.deny_session(bob.id, "s", 60)
    gate.deny_issued_before(bob.id, 1, 60)
    gate.count_each("task", ["a", "b"])
    several = [command for command in sent if len(keys(command)) > 1]
    assert len({command.source for command in several}) >= 4, "of several scripts"
    apart = [command.words for command in several if len({key_slot(key.encode()) for key in keys(command)}) > 1]
    assert apart == []
