import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.events import deadletters, topology
from config.events.publisher import TROUBLE

ADVICE = "start the broker, or correct BROKER_URL, and try again."


class Command(BaseCommand):
    help = "Lists, shows, replays or purges the messages that no consumer could handle."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        for action in ("list", "replay", "purge"):
            sub = actions.add_parser(action)
            sub.add_argument("--queue", choices=topology.QUEUES)
            if action != "list":
                sub.add_argument("ids", nargs="*", metavar="ID", help="ids as `list` shows them")
                sub.add_argument("--all", action="store_true", help="every letter (of the queue)")
        actions.add_parser("show").add_argument("id", metavar="ID")

    def handle(self, *, action: str, **options: Any) -> None:
        try:
            getattr(self, f"_{action}")(**options)
        except deadletters.UnknownLetter as error:
            raise CommandError(f"There is no dead letter {error}: `deadletters list` shows them.") from error
        except TROUBLE as error:
            raise CommandError(f"The broker does not answer ({error}): {ADVICE}") from error

    def _list(self, *, queue: str | None, **_: Any) -> None:
        found = deadletters.listing(queue)
        for letter in found:
            at = letter.died_at.isoformat(timespec="seconds") if letter.died_at else "-"
            self.stdout.write(f"{letter.id}  {letter.queue}  {letter.task}  {at}  {letter.error[:120]}")
        self.stdout.write(f"{len(found)} dead letters")

    def _show(self, *, id: str, **_: Any) -> None:
        letter = deadletters.find(id)
        shown = {
            "id": letter.id,
            "queue": letter.queue,
            "task": letter.task,
            "event_id": letter.event_id,
            "died_at": letter.died_at.isoformat() if letter.died_at else None,
            "error": letter.error,
            **letter.message.as_json(),
        }
        self.stdout.write(json.dumps(shown, indent=2, ensure_ascii=False))

    def _replay(self, **options: Any) -> None:
        self.stdout.write(f"replayed {self._deal(deadletters.replay, **options)}")

    def _purge(self, **options: Any) -> None:
        self.stdout.write(f"purged {self._deal(deadletters.purge, **options)}")

    def _deal(self, deal: Any, *, ids: list[str], all: bool, queue: str | None, **_: Any) -> int:
        if bool(ids) == all:
            raise CommandError("Name the letters by their ids, or give --all.")
        done = int(deal(ids or None, queue))
        if ids and done < len(set(ids)):
            raise CommandError(f"Done: {done}, the others are not there: `deadletters list` shows them.")
        return done
