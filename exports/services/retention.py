"""Removes what has served its time: files that expired, and files that no export speaks of."""

from datetime import UTC, datetime

from exports.models import Export, Status
from exports.services import files

BATCH = 500
ORPHANED = 3600.0  # seconds: a running export writes more often


def expire() -> int:
    """Files whose time has come; returns how many."""
    due = Export.objects.using("default").filter(status=Status.COMPLETED, expires_at__lt=datetime.now(UTC))
    expired = 0
    while batch := list(due.values_list("id", flat=True)[:BATCH]):
        for export in batch:
            Export.objects.filter(id=export, status=Status.COMPLETED).update(status=Status.EXPIRED)
            files.discard(export)
        expired += len(batch)
    return expired


def sweep() -> int:
    """Files whose worker died, or whose row went while the process that removed it did."""
    old = list(files.untouched(ORPHANED))
    kept: set[object] = set()
    for start in range(0, len(old), BATCH):
        named = Export.objects.using("default").filter(id__in=[export for export, *_ in old[start : start + BATCH]])
        kept.update(named.filter(status__in=(Status.RUNNING, Status.COMPLETED)).values_list("id", "attempt"))
    orphans = [file for export, attempt, file in old if (export, attempt) not in kept]
    for file in orphans:
        file.unlink(missing_ok=True)
    return len(orphans)
