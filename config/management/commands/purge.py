from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand

from config.api.models import IdempotencyKey

KEPT = timedelta(hours=24)  # the contract's promise for Idempotency-Key
BATCH = 5_000  # rows a statement: short locks, short transactions


class Command(BaseCommand):
    help = "Removes what has served its time: idempotency keys after 24 h. Safe to run at any time."

    def handle(self, **_: Any) -> None:
        self.stdout.write(f"removed {self._keys()} idempotency keys")

    def _keys(self) -> int:
        removed = 0
        old = IdempotencyKey.objects.filter(created_at__lt=datetime.now(UTC) - KEPT)
        while batch := list(old.values_list("pk", flat=True)[:BATCH]):
            removed += IdempotencyKey.objects.filter(pk__in=batch).delete()[0]
        return removed
