from typing import Any

from django.core.management.base import CommandParser
from django.core.management.commands import migrate


class Command(migrate.Command):
    """Django's `migrate`, past the pooler: its query time-out would end a long migration half-way."""

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.set_defaults(database="direct")

    def handle(self, *args: Any, **options: Any) -> None:
        super().handle(*args, **options)
