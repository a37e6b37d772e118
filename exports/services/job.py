"""Writes an export's file. One worker at a time, by a lease that each chunk renews; a dead one is followed."""

import errno
import logging
from datetime import UTC, datetime, timedelta
from typing import IO, Any
from uuid import UUID

from django.conf import settings
from django.db.models import F, Q

from accounts import services as accounts
from config.api.problems import Problem
from config.data import reading
from exports.models import Export, Format, Status
from exports.services import files, formats
from tasks_app.representation import as_json
from tasks_app.services import filters

logger = logging.getLogger(__name__)

CHUNK = 1_000  # rows for each query: short statements, flat memory
LEASE = timedelta(seconds=60)
MOST_ATTEMPTS = 5


class Lost(Exception):
    """Canceled, or taken over by another worker: stop, and leave nothing behind."""


def run(export_id: UUID) -> None:
    """Does nothing when the export is finished, canceled, or in another worker's hands."""
    export = _claim(export_id)
    if export is None:
        return
    try:
        with files.written(export.id, export.attempt) as file:
            rows = _write(export, file)
            size = file.tell()
        _settle(export, status=Status.COMPLETED, progress=1.0, rows=rows, bytes=size, expires_at=_expiry())
    except Lost:
        logger.info("export stopped", extra={"export": str(export.id)})
    except Problem as problem:
        _settle(export, status=Status.FAILED, error=str(problem.detail))
    except OSError as error:
        _settle(export, status=Status.FAILED, error=_reason(error))


def unfinished() -> list[UUID]:
    """Exports that wait for a worker for longer than a lease: the worker died, or the message was lost."""
    late = Export.objects.filter(status__in=(Status.QUEUED, Status.RUNNING), lease_until__lt=_now() - LEASE)
    late.filter(attempt__gte=MOST_ATTEMPTS).update(status=Status.FAILED, error="Given up after several tries.")
    return list(late.order_by("lease_until").values_list("id", flat=True)[:100])


def expire() -> int:
    """Removes the files whose time has come."""
    due = list(Export.objects.filter(status=Status.COMPLETED, expires_at__lt=_now()).values_list("id", flat=True)[:500])
    for export in due:
        if Export.objects.filter(id=export, status=Status.COMPLETED).update(status=Status.EXPIRED):
            files.discard(export)
    return len(due)


def _claim(export_id: UUID) -> Export | None:
    free = Q(status=Status.QUEUED) | Q(status=Status.RUNNING, lease_until__lt=_now())
    taken = Export.objects.filter(free, id=export_id).update(
        status=Status.RUNNING, lease_until=_now() + LEASE, attempt=F("attempt") + 1
    )
    return Export.objects.using("default").get(id=export_id) if taken else None


def _write(export: Export, file: IO[bytes]) -> int:
    """All rows, newest first; returns their number."""
    principal = accounts.exporter(export.owner, reads_all=export.reads_all)
    sort = filters.SORTS["-created_at"]
    encode = formats.csv_rows if export.format == Format.CSV else formats.ndjson_rows
    file.write(formats.csv_header() if export.format == Format.CSV else b"")
    position: list[Any] | None = None
    rows = 0
    with reading.scope(export.xid, replicas=True):
        found = filters.tasks(filters.from_mapping(export.filter), principal)
        total = reading.read(found.count)
        while True:
            page = reading.read(lambda: list(filters.page(found, sort, position, CHUNK, as_json())))  # noqa: B023
            chunk = page[:CHUNK]
            file.write(encode([row[0] for row in chunk]))
            rows += len(chunk)
            _renew(export, rows, total)
            if len(page) <= CHUNK:
                return rows
            position = [str(chunk[-1][1])]


def _renew(export: Export, rows: int, total: int) -> None:
    progress = min(0.99, rows / total) if total else 0.0
    mine = Export.objects.filter(id=export.id, status=Status.RUNNING, attempt=export.attempt)
    if not mine.update(lease_until=_now() + LEASE, rows=rows, progress=progress):
        raise Lost


def _settle(export: Export, **values: Any) -> None:
    """The outcome, unless somebody canceled meanwhile: then the file must not stay."""
    mine = Export.objects.filter(id=export.id, status=Status.RUNNING, attempt=export.attempt)
    if not mine.update(**values):
        current = Export.objects.using("default").filter(id=export.id).values_list("attempt", flat=True).first()
        if current in {None, export.attempt}:
            files.discard(export.id)


def _reason(error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return "There is no room left where exports are stored."
    return f"The file could not be written: {error.strerror or type(error).__name__}."


def _expiry() -> datetime:
    return _now() + timedelta(seconds=settings.EXPORT_RETENTION)


def _now() -> datetime:
    at = datetime.now(UTC)
    return at.replace(microsecond=at.microsecond // 1000 * 1000)
