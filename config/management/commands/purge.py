from typing import Any

from django.core.management.base import BaseCommand

from config import purging


class Command(BaseCommand):
    help = "Removes what has served its time: idempotency keys, old trash, expired exports. Safe to run at any time."

    def handle(self, **_: Any) -> None:
        for what, count in purging.run():
            self.stdout.write(f"{what}: {count} removed")
