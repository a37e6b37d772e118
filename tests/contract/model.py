"""What the contract says that tasks do, as a dictionary and a few rules: the server is held against it."""

from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

Json = dict[str, Any]
DEFAULTS: Json = {
    "description": "",
    "status": "pending",
    "priority": "normal",
    "due_at": None,
    "labels": [],
    "assignee": None,
}
EMPTIED = {"description": "", "labels": []}  # what null in a merge patch makes of these; of others null


TIMES, NEVER = ("created_at", "updated_at", "completed_at"), "9999-12-31T00:00:00.000Z"


@dataclass(frozen=True)
class Actor:
    id: str
    oversees: bool = False  # tasks:admin


@dataclass
class Model:
    """Every task that there is, as its owner would get it; those in the trash have `deleted_at`."""

    tasks: dict[str, Json] = field(default_factory=dict)
    events: dict[str, list[tuple[str, int]]] = field(default_factory=dict)

    # What must be refused

    def visible(self, who: Actor, task: str) -> bool:
        found = self.tasks.get(task)
        return found is not None and (who.oversees or who.id in {found["owner"], found["assignee"]})

    def refusal(self, who: Actor, action: str, task: str, if_match: str | None, names: set[str]) -> int | None:
        """The status of the refusal of this write, None when it must succeed."""
        if not self.visible(who, task):
            return 404
        found = self.tasks[task]
        owns, trashed = who.oversees or found["owner"] == who.id, found["deleted_at"] is not None
        if action in {"patch", "delete"} and trashed:
            return 404
        if not owns and not (action == "patch" and names <= {"status"}):
            return 403
        if action == "purge" and not trashed:
            return 404
        if if_match not in {None, "*", f'"{found["version"]}"'}:
            return 412
        return 409 if action == "restore" and not trashed else None

    # What a write makes of a task. The server says the times and the id; the rest must be so.

    def created(self, owner: Actor, sent: Json, got: Json) -> Json:
        made = {**DEFAULTS, **meant(sent), "owner": owner.id, "version": 1, "deleted_at": None}
        self._tell(got["id"], "task.created", 1, completed=made["status"] == "completed")
        times = {"created_at": got["created_at"], "updated_at": got["created_at"]}
        return self._keep({**made, **times, "id": got["id"], "completed_at": _completed(made, {}, got)})

    def patched(self, task: str, sent: Json, got: Json) -> Json:
        before, changed = self.tasks[task], self._changed(task, sent)
        if not changed:
            return before
        after = self._next(before, changed, got)
        newly = after["status"] == "completed" != before["status"]
        self._tell(task, "task.updated", after["version"], completed=newly)
        return self._keep({**after, "completed_at": _completed(after, before, got)})

    def deleted(self, task: str) -> Json:
        """What the trash says of it is looked up by `trashed`: the answer of a deletion is empty."""
        before = self.tasks[task]
        self._tell(task, "task.deleted", before["version"] + 1)
        return self._keep({**before, "version": before["version"] + 1, "deleted_at": ..., "updated_at": ...})

    def trashed(self, task: str, got: Json) -> Json:
        """The same with the times of its deletion, which the trash was the first to tell."""
        known = self.tasks[task]
        for name in ("deleted_at", "updated_at"):
            if known[name] is ...:
                assert got[name] >= known["created_at"]
                known[name] = got[name]
        return known

    def restored(self, task: str, got: Json) -> Json:
        before = self.tasks[task]
        self._tell(task, "task.restored", before["version"] + 1)
        return self._keep(self._next(before, {"deleted_at": None}, got))

    def purged(self, task: str) -> Json:
        del self.events[task]
        return self.tasks.pop(task)

    def apply(self, action: str, task: str, sent: Json, got: Json) -> Json:
        """What a write that succeeded with the answer `got` makes of a task."""
        if action == "patch":
            return self.patched(task, sent, got)
        if action == "restore":
            return self.restored(task, got)
        return self.deleted(task) if action == "delete" else self.purged(task)

    # Operations of a bulk

    def operated(self, who: Actor, operation: Json, got: Json) -> Json:
        sent = operation.get("body", {})
        if operation["op"] == "create":
            return self.created(who, sent, got)
        return self.apply(_action(operation), operation["id"], sent, got)

    def foreseen(self, who: Actor, operation: Json) -> int:
        """The status that an operation must have, and what it makes of this model, with times and an id made up."""
        if operation["op"] != "create":
            if_match = f'"{operation["if_match"]}"' if "if_match" in operation else None
            names = set(operation.get("body", ()))
            refused = self.refusal(who, _action(operation), operation["id"], if_match, names)
            if refused is not None:
                return refused
        self.operated(who, operation, {"id": str(uuid4()), **dict.fromkeys(TIMES, NEVER)})
        return {"create": 201, "delete": 204}.get(operation["op"], 200)

    def _changed(self, task: str, sent: Json) -> Json:
        before = self.tasks[task]
        return {name: value for name, value in meant(sent).items() if before[name] != value}

    def _next(self, before: Json, changed: Json, got: Json) -> Json:
        if before["updated_at"] is not ...:
            assert got["updated_at"] >= before["updated_at"]
        return {**before, **changed, "version": before["version"] + 1, "updated_at": got["updated_at"]}

    def _tell(self, task: str, type_: str, version: int, *, completed: bool = False) -> None:
        more = [("task.completed", version)] if completed else []
        self.events.setdefault(task, []).extend([(type_, version), *more])

    def _keep(self, task: Json) -> Json:
        self.tasks[task["id"]] = task
        return task

    # Lists

    def listed(self, who: Actor, query: Json) -> list[Json]:
        """Living tasks that the filters name, in the order that `sort` names; ties go by id."""
        mine = "assignee" if query.get("assignee") == "me" else "owner"
        found = [task for task in self.tasks.values() if task[mine] == who.id and task["deleted_at"] is None]
        return in_order([task for task in found if _matches(task, query)], query.get("sort", "-created_at"))

    def trash(self, who: Actor) -> list[Json]:
        return [task for task in self.tasks.values() if task["owner"] == who.id and task["deleted_at"] is not None]


def _action(operation: Json) -> str:
    return "patch" if operation["op"] == "update" else str(operation["op"])


def in_order(tasks: list[Json], sort: str) -> list[Json]:
    name, down = sort.removeprefix("-"), sort.startswith("-")
    tasks = sorted(tasks, key=lambda task: task["id"], reverse=down)
    if name == "created_at":
        return tasks
    there = [task for task in tasks if task[name] is not None]
    return sorted(there, key=lambda task: task[name], reverse=down) + [task for task in tasks if task[name] is None]


def _matches(task: Json, query: Json) -> bool:
    due = task["due_at"]
    return all(
        (
            "status" not in query or task["status"] in query["status"].split(","),
            "priority" not in query or task["priority"] in query["priority"].split(","),
            set(query.get("label", ())) <= set(task["labels"]),
            query.get("assignee") != "none" or task["assignee"] is None,
            "due_after" not in query or (due is not None and due >= query["due_after"]),
            "due_before" not in query or (due is not None and due < query["due_before"]),
        )
    )


def meant(sent: Json) -> Json:
    """What a body says: null empties; 2027-01-31T01:00:00+01:00 is 2027-01-31T00:00:00.000Z."""
    return {name: _meant(name, value) for name, value in sent.items()}


def _meant(name: str, value: Any) -> Any:
    if value is None:
        return EMPTIED.get(name)
    return SPELLED.get(value, value) if name == "due_at" else value


# Other spellings of the times in the tests.
SPELLED = {
    "2027-01-31T01:00:00+01:00": "2027-01-31T00:00:00.000Z",
    "2027-01-31t00:00:00z": "2027-01-31T00:00:00.000Z",
    "2027-02-28T23:59:59.9999Z": "2027-02-28T23:59:59.999Z",
}


def _completed(after: Json, before: Json, got: Json) -> Any:
    """`completed_at` follows the status: the server says when, and only when the status has changed."""
    if after["status"] != "completed":
        return None
    if before.get("status") == "completed":
        return before["completed_at"]
    assert got["completed_at"] is not None
    return got["completed_at"]
