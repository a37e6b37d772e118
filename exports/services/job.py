"""Writes an export's file. One worker at a time, by a lease; a dead one is followed as soon as its lease is over."""

import errno
import logging
from datetime import timedelta
from typing import IO, Any
from uuid import UUID

from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from accounts import services as accounts
from config.api.problems import Problem
from config.data import leases, reading, times
from exports.models import Export, Format, Status
from exports.services import files, formats
from tasks_app.services import filters, pages

logger = logging.getLogger(__name__)

CHUNK = 1_000  # rows for each query: short statements, flat memory
# Workers are killed by deployments and by hand; an export that kills each of them ends all the same.
MOST_ATTEMPTS = 25
WAIT = timedelta(seconds=60)  # for the message of an export that is queued


class Lost(Exception):
    """Canceled, or taken over by another worker: stop, and leave nothing behind."""


def run(export_id: UUID) -> None:
    """Does nothing when the export is finished or canceled. Raises Held while another worker writes it."""
    export = _claim(export_id)
    if export is None:
        return
    try:
        outcome = _file(export)
    except Lost:
        logger.info("export stopped", extra={"export": str(export.id)})
        return
    except Problem as problem:
        outcome = _failure(str(problem.detail))
    except OSError as error:
        outcome = _failure(_reason(error))
    except SoftTimeLimitExceeded:
        outcome = _failure("It took too long: ask for fewer tasks at a time.")
    if not _mine(export).update(**outcome):  # canceled, or taken over, at the last moment
        files.discard_try(export.id, export.attempt)


def unfinished() -> list[UUID]:
    """Exports whose message was lost, or whose worker died; a queued one is named once in WAIT."""
    late = Export.objects.filter(lease_until__lt=leases.from_now(-leases.LEASE))
    running = late.filter(status=Status.RUNNING).order_by("lease_until").values_list("id", flat=True)[:100]
    queued = late.filter(status=Status.QUEUED).order_by("lease_until").values_list("id", flat=True)[:100]
    found = [*running, *queued]
    Export.objects.filter(id__in=found, status=Status.QUEUED).update(lease_until=leases.from_now(WAIT))
    return found


def _claim(export_id: UUID) -> Export | None:
    this = Export.objects.using("default").filter(id=export_id)
    free = Q(status=Status.QUEUED) | Q(status=Status.RUNNING, lease_until__lt=Now())
    if this.filter(free).update(status=Status.RUNNING, lease_until=leases.until(), attempt=F("attempt") + 1):
        files.discard(export_id)  # what the tries before this one have left
        return this.first()  # None: removed since
    if this.filter(status=Status.RUNNING).exists():
        raise leases.Held
    return None


def _file(export: Export) -> dict[str, Any]:
    """Writes the file; returns what the row then says. Raises Lost, Problem, OSError."""
    if export.attempt > MOST_ATTEMPTS:
        return _failure("Given up after many tries.")
    renewal = leases.kept(lambda: _mine(export).update(lease_until=leases.until()))
    with renewal, files.written(export.id, export.attempt) as file:
        rows = _write(export, file)
        size = file.tell()
    expires_at = times.now() + timedelta(seconds=settings.EXPORT_RETENTION)
    return {"status": Status.COMPLETED, "progress": 1.0, "rows": rows, "bytes": size, "expires_at": expires_at}


def _write(export: Export, file: IO[bytes]) -> int:
    """All rows, newest first; returns their number."""
    principal = accounts.exporter(export.owner, reads_all=export.reads_all)
    encode = formats.csv_rows if export.format == Format.CSV else formats.ndjson_rows
    file.write(formats.csv_header() if export.format == Format.CSV else b"")
    position: str | None = None
    rows = 0
    with reading.scope(export.xid, replicas=True):
        wanted = filters.of(filters.from_mapping(export.filter), principal)
        total = reading.read(filters.tasks(wanted).count)
        while True:
            page = reading.read(lambda: pages.newest(wanted, position, CHUNK))  # noqa: B023
            chunk = page[:CHUNK]
            file.write(encode([json for json, _ in chunk]))
            rows += len(chunk)
            _tell(export, rows, total)
            if len(page) <= CHUNK:
                return rows
            position = chunk[-1][1]


def _tell(export: Export, rows: int, total: int) -> None:
    progress = min(0.99, rows / total) if total else 0.0
    if not _mine(export).update(rows=rows, progress=progress):
        raise Lost


def _mine(export: Export) -> QuerySet[Export]:
    """The row while this try has it."""
    return Export.objects.filter(id=export.id, status=Status.RUNNING, attempt=export.attempt)


def _failure(reason: str) -> dict[str, Any]:
    return {"status": Status.FAILED, "error": reason[:500]}


def _reason(error: OSError) -> str:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return "There is no room left where exports are stored."
    return f"The file could not be written: {error.strerror or type(error).__name__}."
