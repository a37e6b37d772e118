from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from analytics.services.rebuild import rebuild


class Command(BaseCommand):
    help = "Corrects the daily numbers by the event log. Safe while workers run: nothing is missed or counted twice."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--since", metavar="YYYY-MM-DD", default="1970-01-01", help="the first UTC day to look at")

    def handle(self, *, since: str, **_: Any) -> None:
        try:
            first = date.fromisoformat(since)
        except ValueError as error:
            raise CommandError(f"--since {since}: expected a day such as 2026-01-01.") from error
        self.stdout.write("reading the event log ...")
        self.stdout.flush()
        self.stdout.write(f"{rebuild(first)} rows were wrong and are corrected")
