"""The task list's filters and sorts, from names and text values: the API's query and an export's filter alike."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import BooleanField, QuerySet, TextField
from django.db.models.expressions import RawSQL
from django.http import QueryDict

from accounts.principal import Principal
from config.api import parameters
from config.api.permissions import insufficient_scope
from config.data import ids
from config.data.snapshots import SEEN
from tasks_app.models import Priority, Status, Task
from tasks_app.querysets import TaskQuerySet

REPEATABLE = frozenset({"label"})
NAMES = frozenset(
    {
        "status",
        "priority",
        "label",
        "assignee",
        "owner",
        "due_before",
        "due_after",
        "created_before",
        "created_after",
        "updated_after",
        "q",
    }
)
MAX_SEARCH = 200  # characters
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Sort:
    """An order with `id` as its last key. `key` is an SQL expression; the default sorts are by id alone."""

    key: str | None
    ascending: bool
    cast: str = "timestamptz"


SORTS = {
    "-created_at": Sort(None, ascending=False),
    "created_at": Sort(None, ascending=True),
    # A task without due_at comes last in both directions.
    "due_at": Sort("""coalesce("task"."due_at", 'infinity')""", ascending=True),
    "-due_at": Sort("""coalesce("task"."due_at", '-infinity')""", ascending=False),
    "-updated_at": Sort('"task"."updated_at"', ascending=False),
    # For the trash, not for clients.
    "-deleted_at": Sort('"task"."deleted_at"', ascending=False),
}
CLIENT_SORTS = ("-created_at", "created_at", "due_at", "-due_at", "-updated_at")


def tasks(query: QueryDict, principal: Principal) -> TaskQuerySet:
    """The living tasks that the filters name. Raises Problem 400 for a bad value, 403 for a foreign owner."""
    found = _whose(query, principal).alive()
    for name in ("status", "priority"):
        words = parameters.choices(query, name, Status.values if name == "status" else Priority.values)
        if words is not None:
            found = found.filter(**{f"{name}__in": words})
    labels = [_label(value) for value in query.getlist("label")]
    if labels:
        found = found.filter(labels__contains=labels)
    found = found.created_between(_id_bound(query, "created_after"), _id_bound(query, "created_before"))
    found = found.due_between(_time(query, "due_after"), _time(query, "due_before"))
    updated_after = _time(query, "updated_after")
    if updated_after is not None:
        found = found.filter(updated_at__gte=updated_after)
    search = _search(query)
    return found if search is None else found.matching(search)


def _whose(query: QueryDict, principal: Principal) -> TaskQuerySet:
    """`assignee=me` finds what is assigned to the caller, whoever owns it; else own tasks or what `owner` names."""
    owner, assignee = query.get("owner", "me"), query.get("assignee")
    found = Task.objects.all()
    if owner not in {"me", principal.id} and not principal.may("tasks:admin"):
        raise insufficient_scope("tasks:admin", "Only tasks:admin may list the tasks of others.")
    if assignee in {"me", principal.id} and "owner" not in query:
        return found.filter(assignee_id=principal.id)
    if owner != "any":
        found = found.filter(owner_id=principal.id if owner == "me" else _person("owner", owner))
    if assignee == "none":
        return found.filter(assignee__isnull=True)
    if assignee is not None:
        found = found.filter(assignee_id=principal.id if assignee == "me" else _person("assignee", assignee))
    return found


def _person(name: str, raw: str) -> str:
    if not 0 < len(raw) <= 255:
        raise parameters.error(name, "expected a user id, or one of the words that the documentation lists.")
    return raw


def _label(raw: str) -> str:
    if not 0 < len(raw) <= 50:
        raise parameters.error("label", "a label has 1 to 50 characters.")
    return raw


def _time(query: QueryDict, name: str) -> datetime | None:
    at = parameters.one(query, name, parameters.time, "a time such as 2026-01-31T12:00:00Z")
    if at is None:
        return None
    try:
        # Stored times have whole milliseconds, so that a bound between two of them means the later one.
        return at + (-timedelta(microseconds=at.microsecond) % _MILLISECOND)
    except OverflowError as error:
        raise parameters.error(name, "is too far in the future.") from error


def _id_bound(query: QueryDict, name: str) -> Any | None:
    at = _time(query, name)
    if at is None:
        return None
    try:
        return ids.floor(at)
    except ValueError as error:
        raise parameters.error(name, "is before 1970.") from error


def _search(query: QueryDict) -> str | None:
    words = query.get("q")
    if words is not None and not 0 < len(words.strip()) <= len(words) <= MAX_SEARCH:
        raise parameters.error("q", f"expected 1 to {MAX_SEARCH} characters.")
    return words


def sort_of(query: QueryDict) -> Sort:
    name = query.get("sort", "-created_at")
    if name not in CLIENT_SORTS:
        raise parameters.error("sort", f"{name!r} is not one of {', '.join(CLIENT_SORTS)}.")
    return SORTS[name]


def page(found: TaskQuerySet, sort: Sort, position: list[Any] | None, size: int, json: RawSQL) -> QuerySet[Any, Any]:
    """`size` + 1 rows behind `position` as (json, id, key, seen); the last one only tells whether there is more."""
    key = RawSQL(f"({sort.key})::text" if sort.key else "NULL", [], output_field=TextField())  # noqa: S611
    if position is not None:
        found = found.filter(_behind(sort, position))
    order = [_order(sort)] if sort.key else []
    rows = found.annotate(json=json, key=key, seen=SEEN).order_by(*order, "id" if sort.ascending else "-id")
    return rows.values_list("json", "id", "key", "seen")[: size + 1]


def _order(sort: Sort) -> Any:
    expression = RawSQL(str(sort.key), [], output_field=TextField())  # noqa: S611
    return expression.asc() if sort.ascending else expression.desc()


def _behind(sort: Sort, position: list[Any]) -> RawSQL:
    """A row comparison, which PostgreSQL answers from the index of this order."""
    sign = ">" if sort.ascending else "<"
    if sort.key is None:
        sql, values = f'"task"."id" {sign} %s::uuid', position[:1]
    else:
        sql = f'({sort.key}, "task"."id") {sign} (%s::{sort.cast}, %s::uuid)'
        values = [position[1], position[0]]
    return RawSQL(sql, values, output_field=BooleanField())  # noqa: S611


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
