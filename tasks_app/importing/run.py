"""One way through a file, a batch in each transaction: what is in stays in when the import is killed."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from uuid import UUID

from django.db import transaction

from accounts import services as accounts
from config.api.problems import Problem
from config.data import ids
from tasks_app.importing import lines, seen
from tasks_app.importing.files import Row, Wrong
from tasks_app.importing.lines import Line
from tasks_app.services import imports, rules
from tasks_app.services.rules import Change

BATCH = 1_000  # rows


@dataclass(slots=True)
class Tally:
    rows: int = 0
    made: int = 0
    there: int = 0  # before
    bad: int = 0


@dataclass(frozen=True, slots=True)
class Owned:
    """A right row whose owner is known. `name` is its own among equal rows that give no id."""

    line: Line
    owner: str
    name: UUID


class Run:
    """`told` hears of each bad row, `passed` of each batch. Without `write` nothing is changed."""

    def __init__(self, told: Callable[[int, str], None], passed: Callable[[Tally], None], *, write: bool) -> None:
        self._told, self._passed, self._write = told, passed, write
        self._refused: list[tuple[int, str]] = []  # of the batch
        self.tally = Tally()
        self.times: set[datetime] = set()  # one in each month that has tasks

    def through(self, rows: Iterable[Row]) -> Tally:
        seen.forget()
        if self._write:
            imports.make_months(())
        source = iter(rows)
        while batch := list(islice(source, BATCH)):
            self._batch(batch)
            self._passed(self.tally)
        return self.tally

    def _batch(self, batch: Sequence[Row]) -> None:
        owned = list(self._owned(list(self._read(batch))))
        self._months({one.line.at for one in owned if one.line.at})
        with self._transaction():
            made = self._decided(owned)
            if self._write and made:
                imports.add([change for _, change in made])
                imports.remember({one.name: change.task for one, change in made if one.line.at is None})
        self.tally.rows += len(batch)
        self.tally.made += len(made)
        self.tally.bad += len(self._refused)
        for line, reason in sorted(self._refused):
            self._told(line, reason)
        self._refused.clear()

    def _transaction(self) -> AbstractContextManager[object]:
        return transaction.atomic(using=imports.USING) if self._write else nullcontext()

    def _bad(self, line: int, reason: str) -> None:
        self._refused.append((line, reason))

    def _read(self, batch: Sequence[Row]) -> Iterator[Line]:
        for row in batch:
            try:
                yield lines.read(row.line, row.value)
            except Wrong as error:
                self._bad(row.line, str(error))

    def _owned(self, found: Sequence[Line]) -> Iterator[Owned]:
        users = accounts.named({line.owner for line in found})
        for line, met in zip(found, seen.meet(found), strict=True):
            owners = users.get(line.owner, [])
            if line.id is not None and met.before:
                self._bad(line.number, f"id: It stands on line {met.first} too.")
            elif len(owners) != 1:
                self._bad(line.number, f"owner: {_ambiguous(len(owners))}")
            else:
                yield Owned(line, owners[0], line.name(met.before))

    def _months(self, times: set[datetime]) -> None:
        months = {(at.year, at.month) for at in self.times}
        new = {(at.year, at.month): at for at in times if (at.year, at.month) not in months}
        if new and self._write:
            imports.make_months(new.values())
        self.times.update(new.values())

    def _decided(self, owned: Sequence[Owned]) -> list[tuple[Owned, Change]]:
        """What is to be made of each row that has no task yet."""
        if self._write:
            imports.wait_for_others()
        remembered = imports.remembered([one.name for one in owned if one.line.at is None])
        tasks = _ids(owned, remembered)
        there = imports.known(tasks) | set(remembered.values())
        users = accounts.known_users({user for one in owned if (user := one.line.fields.get("assignee"))})
        made = []
        for one, task in zip(owned, tasks, strict=True):
            if task in there:
                self.tally.there += 1
            elif change := self._change(one, task, users):
                there.add(task)
                made.append((one, change))
        return made

    def _change(self, one: Owned, task: UUID, users: set[str]) -> Change | None:
        line = one.line
        try:
            return rules.imported(one.owner, line.fields, users.__contains__, task, line.completed_at)
        except Problem as problem:
            self._bad(line.number, lines.reasons(problem))
            return None


def _ambiguous(count: int) -> str:
    if count:
        return f"{count} users have this name: give the id."
    return "There is no user with this id or name; users are known from their first call on."


def _ids(owned: Sequence[Owned], remembered: dict[UUID, UUID]) -> list[UUID]:
    new = iter(ids.ascending(len(owned) - len(remembered)))

    def of(one: Owned) -> UUID:
        if one.line.id is not None:
            return one.line.id
        if one.line.at is not None:
            return ids.derived(one.line.at, one.name.bytes)
        return remembered.get(one.name) or next(new)

    return [of(one) for one in owned]
