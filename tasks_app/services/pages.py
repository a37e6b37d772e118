"""Pages of tasks in every sort, each one call of a database's function: `task_page_json`, over `task_page`.

Why a function: docs/decisions/0013-lists-in-a-function.md. Its indexes and plans are in migrations 0001, 0005,
0006, 0008, 0010 and 0012.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from django.http import QueryDict

from config.api import parameters
from config.data import reading
from config.data.snapshots import SEEN
from config.data.statements import Statement, read
from tasks_app.models import Status
from tasks_app.representation import FIELDS, as_json
from tasks_app.services.filters import Filter

_NAMES = tuple(Filter.__dataclass_fields__)
_FIRST, _LAST = UUID(int=0), UUID(int=(1 << 128) - 1)
# In the order that the function gives them: they are not sorted again.
_ROWS = "task_page({}) WITH ORDINALITY AS task"
# A page comes as one row: fifty rows cost psycopg more than all the rest of a call costs it.
_WHOLE = "SELECT * FROM task_page_json({})"
_ACTIVE = {Status.PENDING.value, Status.IN_PROGRESS.value}


class Page(NamedTuple):
    """`rows` is their JSON with commas between. `last` is the place of the last one when there are more, else None:
    its id, and the text of what the page is sorted by. `seen` tells of config.data.snapshots.
    """

    rows: str
    last: tuple[str, str | None] | None
    seen: str


@dataclass(frozen=True, slots=True)
class Sort:
    """An order with `id` as its last key, which is an SQL expression; None: by id alone."""

    name: str
    key: str | None = None

    @property
    def ascending(self) -> bool:
        return not self.name.startswith("-")


SORTS = {
    sort.name: sort
    for sort in (
        Sort("-created_at"),
        Sort("created_at"),
        # A task without due_at comes last in both directions.
        Sort("due_at", "coalesce(task.due_at, 'infinity')"),
        Sort("-due_at", "coalesce(task.due_at, '-infinity')"),
        Sort("-updated_at", "task.updated_at"),
    )
}
NEWEST, TRASH = SORTS["-created_at"], Sort("-deleted_at", "task.deleted_at")


def sort_of(query: QueryDict) -> Sort:
    name = query.get("sort", NEWEST.name)
    if name not in SORTS:
        raise parameters.error("sort", f"{name!r} is not one of {', '.join(SORTS)}.")
    return SORTS[name]


def page(wanted: Filter, sort: Sort, position: Sequence[Any] | None, size: int, fields: Sequence[str] = FIELDS) -> Page:
    """Up to `size` rows behind `position` (id, key)."""
    sql = _WHOLE if tuple(fields) == FIELDS else _some(sort, size, tuple(fields))
    [(rows, more, identifier, key, seen)] = _read(sql, wanted, sort, position, size)
    return Page(rows or "", (identifier, key) if more else None, seen)


def newest(wanted: Filter, position: str | None, size: int) -> list[tuple[str, str]]:
    """Up to `size` + 1 rows behind the id `position`, as (JSON, id); the last one only tells that there is more."""
    sql = f"SELECT {as_json().sql}, task.id::text FROM {_ROWS}"  # noqa: S608 (our own names)
    return _read(sql, wanted, NEWEST, None if position is None else [position], size)


def _read(sql: str, wanted: Filter, sort: Sort, position: Sequence[Any] | None, size: int) -> list[Any]:
    """What `sql` makes of the arguments that are put in its braces; asked for one row more than `size`, which tells
    whether there is more.
    """
    values = {"order": sort.name, "way": _way(wanted, sort), "size": size + 1, **_place(wanted, sort, position)}
    arguments = ", ".join([f"_{name} => %s" for name in values])
    return read(Statement(sql.replace("{}", arguments), list(values.values())), using=reading.alias())


@lru_cache(500)
def _some(sort: Sort, size: int, fields: tuple[str, ...]) -> str:
    """What `task_page_json` gives, with these fields only."""
    last = f"FILTER (WHERE task.ordinality = {size})"
    return f"""
        SELECT string_agg({as_json(fields).sql}, ',') FILTER (WHERE task.ordinality <= {size}), count(*) > {size},
            max(task.id::text) {last}, max(({sort.key or "NULL"})::text) {last}, {SEEN.sql}
        FROM {_ROWS}
    """  # noqa: S608 (our own names)


def _way(wanted: Filter, sort: Sort) -> str:
    """The index that finds the rows."""
    if wanted.words is not None or wanted.labels or (wanted.owner and wanted.assignee):
        return "found"
    if wanted.owner is None:
        return "any" if wanted.assignee is None else "assignee"
    statuses = set(wanted.statuses or ())
    if sort.key is None and len(statuses) == 1:
        return "status"
    return "active" if sort.key is None and statuses == _ACTIVE else "owner"


def _place(wanted: Filter, sort: Sort, position: Sequence[Any] | None) -> dict[str, Any]:
    """The arguments that say what is asked for, and from where on."""
    given = {name: value for name in _NAMES if (value := getattr(wanted, name))}
    if sort.key is None:
        return given if position is None else {**given, **_behind(wanted, sort, UUID(position[0]))}
    if position is not None:
        return {**given, "key": position[1], "key_id": position[0]}
    return {**given, "key": _start(wanted, sort), "key_id": _FIRST if sort.ascending else _LAST}


def _behind(wanted: Filter, sort: Sort, position: UUID) -> dict[str, UUID]:
    if sort.ascending:
        return {"low": max(wanted.low or _FIRST, UUID(int=position.int + 1))}
    return {"high": min(wanted.high or _LAST, position)}


def _start(wanted: Filter, sort: Sort) -> datetime | str:
    """Where the first page begins to look, so that it does not read what the filter leaves out."""
    if sort.ascending:
        return wanted.due_from or "-infinity"
    return (wanted.due_to if sort.name == "-due_at" else None) or "infinity"
