from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from analytics.services import rollups


class Command(BaseCommand):
    help = "Rebuilds the daily numbers from the event log. Consumers wait meanwhile; nothing is missed or doubled."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--since", metavar="YYYY-MM-DD", default="1970-01-01", help="the first day to rebuild")

    def handle(self, *, since: str, **_: Any) -> None:
        try:
            first = date.fromisoformat(since)
        except ValueError as error:
            raise CommandError(f"--since {since}: expected a day such as 2026-01-01.") from error
        self.stdout.write(f"rebuilt {rollups.rebuild(first)} rows")
