import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

from config.api import breaking
from config.api.schema import RELEASED, SNAPSHOT


class Command(BaseCommand):
    help = "Writes the OpenAPI document's snapshot, which /v1/openapi.json serves."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--check",
            action="store_true",
            help="only fail when the snapshot is not what the code says, or would break clients of the released one",
        )
        parser.add_argument("--release", action="store_true", help="write it as the released document too")

    def handle(self, *, release: bool, **options: Any) -> None:
        text = self._generate()
        if options["check"]:
            check(text)
            return
        for path in (SNAPSHOT, RELEASED) if release else (SNAPSHOT,):
            path.write_text(text, encoding="utf-8")
            self.stdout.write(f"wrote {path.name}")

    def _generate(self) -> str:
        schema = SchemaGenerator().get_schema(request=None, public=True)
        if GENERATOR_STATS:
            raise CommandError("The OpenAPI document has gaps: see the warnings above.")
        validate_schema(schema)
        return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


def check(text: str) -> None:
    if not SNAPSHOT.exists() or SNAPSHOT.read_text(encoding="utf-8") != text:
        raise CommandError("The OpenAPI snapshot is out of date: run `manage.py openapi` and look at the diff.")
    if found := list(breaking.changes(json.loads(RELEASED.read_text(encoding="utf-8")), json.loads(text))):
        listed = "\n  ".join(found)
        raise CommandError(
            f"Clients of the released API would break:\n  {listed}\nMeant so? manage.py openapi --release"
        )
