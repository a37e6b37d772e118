from typing import Any

from django.core.management.base import BaseCommand, CommandError

from config.cache import memory, redis


class Command(BaseCommand):
    help = "Makes Redis forget what it keeps of reads, for example after a promotion; limits and denials stay."

    def handle(self, **_: Any) -> None:
        try:
            redis.call("DEL", memory.KEY)
        except redis.Unavailable as error:
            raise CommandError("Redis does not answer. Nothing is served from it meanwhile; try again.") from error
        self.stdout.write("What was kept is not served any more; for some seconds everybody reads the primary.")
