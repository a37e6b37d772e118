"""What Hypothesis draws for the lives of tasks: few values, so that tasks tie, filters find some, and calls meet."""

from typing import Any

from hypothesis import strategies as st

from tests.contract.model import SPELLED

NAMES = ("alice", "bob", "ada")  # ada oversees all
who = st.sampled_from(["alice", "alice", "alice", "bob", "ada"])
# Texts that are easily mangled.
text = st.sampled_from([" a", "b\n", "İ\u0301", '\\"%s', "a\u2028", "💧", "</script>"])
due = st.sampled_from([None, "2027-01-31T00:00:00.000Z", "2027-02-28T23:59:59.999Z", *SPELLED])
labels = st.lists(st.sampled_from(["home", "Home", "ä,b"]), unique=True)
status = st.sampled_from(["pending", "in-progress", "completed"])
page_size = st.integers(1, 4)
held = st.sampled_from([None, "current", "stale"])
version = st.sampled_from([None, None, None, "*", "current", "stale"])

FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "description": text | st.just(""),
    "status": status,
    "priority": st.sampled_from(["low", "normal", "high", "urgent"]),
    "due_at": due,
    "labels": labels,
    "assignee": st.sampled_from([None, *NAMES]),
}
NULLABLE = {"title": text, "description": text | st.none(), "labels": labels | st.none()}
creation = st.fixed_dictionaries({"title": text}, optional=FIELDS)
patch = st.fixed_dictionaries({"status": status}) | st.fixed_dictionaries({}, optional={**FIELDS, **NULLABLE})
# Two at most: more of them would find nothing.
filters = st.dictionaries(
    st.sampled_from(["status", "priority", "label", "assignee", "due_after", "due_before"]), st.booleans(), max_size=2
).map(lambda picked: {name: FILTERS[name][first] for name, first in picked.items()})
FILTERS: dict[str, tuple[Any, Any]] = {
    "status": ("pending", "in-progress,completed"),
    "priority": ("normal", "high,low"),
    "label": (["home"], ["ä,b", "home"]),
    "assignee": ("me", "none"),
    "due_after": ("2027-01-31T00:00:00.000Z", "2027-01-31T00:00:00.001Z"),
    "due_before": ("2027-02-28T23:59:59.999Z", "2027-03-01T00:00:00.000Z"),
}
sort = st.sampled_from(["-created_at", "created_at", "due_at", "-due_at", "-updated_at"])
query = st.builds(lambda sort, filters: {"sort": sort, **filters}, sort, st.just({}) | filters)


def operations(task: st.SearchStrategy[Any]) -> st.SearchStrategy[list[tuple[str, Any, Any, Any]]]:
    """Of a bulk: (op, id, body, which version it names)."""
    made = st.tuples(st.just("create"), st.none(), creation, st.none())
    changed = st.tuples(st.just("update"), task, patch, held)
    moved = st.tuples(st.sampled_from(["delete", "restore"]), task, st.none(), held)
    return st.lists(changed | moved | made, min_size=1, max_size=4)
