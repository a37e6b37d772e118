"""The task list's filters, from names and text values: the API's query and an export's filter alike."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.http import QueryDict

from accounts.principal import Principal
from config.api import parameters
from config.api.permissions import insufficient_scope
from config.data import ids
from tasks_app.models import Priority, Status, Task
from tasks_app.querysets import TaskQuerySet

REPEATABLE = frozenset({"label"})
MAX_SEARCH = 200  # characters
_MILLISECOND = timedelta(milliseconds=1)
_STATUSES, _PRIORITIES = Status.values, Priority.values  # which are made anew at each look


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which tasks are wanted; None stands for all. `…_from` includes its bound, `…_to` does not.

    The names are those of the parameters of `task_page`.
    """

    owner: str | None = None
    assignee: str | None = None
    unassigned: bool = False
    statuses: list[str] | None = None
    priorities: list[str] | None = None
    labels: list[str] | None = None
    low: UUID | None = None  # ids are times: low <= id < high
    high: UUID | None = None
    due_from: datetime | None = None
    due_to: datetime | None = None
    updated_from: datetime | None = None
    words: str | None = None


def of(query: QueryDict, principal: Principal) -> Filter:
    """What the query asks for. Raises Problem 400 for a bad value, 403 for a foreign owner."""
    whose = _whose(query, principal)
    # Only what is given is looked at: most queries have one or two of them.
    return Filter(**whose, **{field: read(query, name) for name, (field, read) in _READ.items() if name in query})


def tasks(wanted: Filter) -> TaskQuerySet:
    """The living tasks of a filter, for what counts them. Pages come from `services.pages`."""
    found = Task.objects.alive().created_between(wanted.low, wanted.high).due_between(wanted.due_from, wanted.due_to)
    lookups = {
        "owner_id": wanted.owner,
        "assignee_id": wanted.assignee,
        "assignee__isnull": wanted.unassigned or None,
        "status__in": wanted.statuses,
        "priority__in": wanted.priorities,
        "labels__contains": wanted.labels,
        "updated_at__gte": wanted.updated_from,
    }
    found = found.filter(**{name: value for name, value in lookups.items() if value is not None})
    return found if wanted.words is None else found.matching(wanted.words, wanted.owner or wanted.assignee)


def _whose(query: QueryDict, principal: Principal) -> dict[str, Any]:
    """`assignee=me` finds what is assigned to the caller, whoever owns it; else own tasks or what `owner` names."""
    owner, assignee = query.get("owner", "me"), query.get("assignee")
    if owner not in {"me", "any"}:
        _person("owner", owner)
    if owner not in {"me", principal.id} and not principal.may("tasks:admin"):
        raise insufficient_scope("tasks:admin", "Only tasks:admin may list the tasks of others.")
    if assignee in {"me", principal.id} and "owner" not in query:
        return {"assignee": principal.id}
    whose: dict[str, Any] = {"unassigned": assignee == "none"}
    if owner != "any":
        whose["owner"] = principal.id if owner == "me" else owner
    if assignee not in {None, "none"}:
        whose["assignee"] = principal.id if assignee == "me" else _person("assignee", str(assignee))
    return whose


def _person(name: str, raw: str) -> str:
    if not 0 < len(raw) <= 255:
        raise parameters.error(name, "expected a user id, or one of the words that the documentation lists.")
    return raw


def _statuses(query: QueryDict, name: str) -> list[str] | None:
    return parameters.choices(query, name, _STATUSES)


def _priorities(query: QueryDict, name: str) -> list[str] | None:
    return parameters.choices(query, name, _PRIORITIES)


def _labels(query: QueryDict, name: str) -> list[str] | None:
    labels = query.getlist(name)
    if not all(0 < len(label) <= 50 for label in labels):
        raise parameters.error(name, "a label has 1 to 50 characters.")
    return labels or None


def _time(query: QueryDict, name: str) -> datetime | None:
    at = parameters.one(query, name, parameters.time, "a time such as 2026-01-31T12:00:00Z")
    if at is None:
        return None
    try:
        # Stored times have whole milliseconds, so that a bound between two of them means the later one.
        return at + (-timedelta(microseconds=at.microsecond) % _MILLISECOND)
    except OverflowError as error:
        raise parameters.error(name, "is too far in the future.") from error


def _id_bound(query: QueryDict, name: str) -> UUID | None:
    at = _time(query, name)
    if at is None:
        return None
    try:
        return ids.floor(at)
    except ValueError as error:
        raise parameters.error(name, "is before 1970.") from error


def _search(query: QueryDict, name: str) -> str | None:
    words = query.get(name)
    if words is not None and not 0 < len(words.strip()) <= len(words) <= MAX_SEARCH:
        raise parameters.error(name, f"expected 1 to {MAX_SEARCH} characters.")
    return words


# A parameter's field of the filter, and how it is read. The first bad one is told, in this order.
_READ: dict[str, tuple[str, Callable[[QueryDict, str], Any]]] = {
    "status": ("statuses", _statuses),
    "priority": ("priorities", _priorities),
    "label": ("labels", _labels),
    "created_after": ("low", _id_bound),
    "created_before": ("high", _id_bound),
    "due_after": ("due_from", _time),
    "due_before": ("due_to", _time),
    "updated_after": ("updated_from", _time),
    "q": ("words", _search),
}
NAMES = frozenset({*_READ, "owner", "assignee"})


def from_mapping(filter_: Mapping[str, Any]) -> QueryDict:
    """An export's filter as a query: the same names, texts, and an array of labels."""
    query = QueryDict(mutable=True)
    for name, value in filter_.items():
        if name not in NAMES:
            raise parameters.error(name, "is not a filter.", "unknown")
        values = value if isinstance(value, list) and name in REPEATABLE else [value]
        if not all(isinstance(item, str) for item in values):
            raise parameters.error(name, "expected a text.")
        query.setlist(name, values)
    return query
