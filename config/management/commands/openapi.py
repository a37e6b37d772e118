import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

from config.api.schema import SNAPSHOT


class Command(BaseCommand):
    help = "Writes the OpenAPI document's snapshot, which /v1/openapi.json serves; --check only compares."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true", help="fail when the snapshot is not what the code says")

    def handle(self, *, check: bool, **_: Any) -> None:
        text = self._generate()
        if not check:
            SNAPSHOT.write_text(text, encoding="utf-8")
            self.stdout.write(f"wrote {SNAPSHOT.name}")
        elif not SNAPSHOT.exists() or SNAPSHOT.read_text(encoding="utf-8") != text:
            raise CommandError("The OpenAPI snapshot is out of date: run `manage.py openapi` and look at the diff.")

    def _generate(self) -> str:
        schema = SchemaGenerator().get_schema(request=None, public=True)
        if GENERATOR_STATS:
            raise CommandError("The OpenAPI document has gaps: see the warnings above.")
        validate_schema(schema)
        return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"
