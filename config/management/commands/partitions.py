from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections

from config.data import partitions


class Command(BaseCommand):
    help = "Makes the monthly partitions ahead of time, and drops old ones on request. Safe to run at any time."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--ahead", type=int, default=partitions.AHEAD, help="months after this one")
        parser.add_argument("--drop-before", metavar="YYYY-MM", help="detach and drop the months before this one")

    def handle(self, *, ahead: int, drop_before: str | None, **_: Any) -> None:
        limit = self._month(drop_before) if drop_before else None
        connection = connections["direct"]
        for table in partitions.ensure(connection, ahead):
            self.stdout.write(f"made {table}")
        if limit:
            for table in partitions.drop_before(connection, limit):
                self.stdout.write(f"dropped {table}")
        self.stdout.write(f"{partitions.months_ahead(connection)} months ahead")

    def _month(self, text: str) -> partitions.Month:
        try:
            month = partitions.Month.parse(text)
        except ValueError as error:
            raise CommandError(f"--drop-before {text}: expected a month such as 2026-01.") from error
        if month > partitions.first_in_use():
            raise CommandError(f"--drop-before {text}: the last 30 days and what comes are in use.")
        return month
