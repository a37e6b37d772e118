"""Asking for an export, and taking it back."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from accounts.principal import Principal
from config.api import idempotency, problems
from config.api.problems import Problem
from config.data import ids
from config.events import log
from config.events.log import NewEvent
from exports.models import Export, Status
from exports.services import files
from tasks_app.services import filters

MOST_UNFINISHED = 5  # a person's queued and running exports
UNFINISHED = (Status.QUEUED, Status.RUNNING)


def check_filter(filter_: Mapping[str, Any], principal: Principal) -> None:
    """Raises the problems that the task list has for the same values, all of them, as problems of the body."""
    errors = [error for name, value in filter_.items() for error in _errors(name, value, principal)]
    if errors:
        raise Problem("invalid-body", errors=errors[: problems.MOST_ERRORS])
    filters.of(filters.from_mapping(filter_), principal)


def _errors(name: str, value: Any, principal: Principal) -> list[dict[str, str]]:
    try:
        filters.of(filters.from_mapping({name: value}), principal)
    except Problem as problem:  # 403 is judged from the whole
        pointer = f"#/filter/{problems.escaped(name)}"
        return [{"pointer": pointer, "code": error["code"], "detail": error["detail"]} for error in problem.errors]
    return []


def request(*, principal: Principal, format_: str, filter_: Mapping[str, Any]) -> tuple[Export, int]:
    """Makes the row and its event, in the caller's transaction; the relay brings the event to a worker."""
    with connection.cursor() as cursor:  # of requests at the same time each must see the ones before
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('exports.request ' || %s, 0))", [principal.id])
    if Export.objects.using("default").filter(owner=principal.id, status__in=UNFINISHED).count() >= MOST_UNFINISHED:
        raise Problem("conflict", f"You have {MOST_UNFINISHED} unfinished exports: wait for one, or cancel one.")
    identifier = ids.uuid7()
    export = Export(
        id=identifier,
        owner=principal.id,
        format=format_,
        filter=dict(filter_),
        reads_all=principal.may("tasks:admin"),
        created_at=ids.instant(identifier),
        lease_until=datetime.now(UTC),
    )
    export.save(force_insert=True)
    event = NewEvent(type="export.requested", subject=identifier, owner=principal.id, actor=principal.id)
    return export, log.append([event])


def own(principal: Principal, export: UUID) -> Export:
    """Raises Problem 404 for another's export as for none: nobody else may know of it, an admin neither."""
    found = Export.objects.filter(owner=principal.id, id=export).first()
    if found is None:
        raise Problem("not-found", "There is no such export, or it is not yours.")
    return found


def remove(*, principal: Principal, export: UUID) -> None:
    """Cancels an unfinished export; removes any other with its file, and the answer that is kept of its request."""
    found = own(principal, export)
    if Export.objects.filter(id=found.id, status__in=UNFINISHED).update(status=Status.CANCELED):
        return
    Export.objects.filter(id=found.id).delete()
    idempotency.forget_answers(found.id)
    transaction.on_commit(lambda: files.discard(found.id), robust=True)
