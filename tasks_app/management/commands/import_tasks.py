"""`manage.py import_tasks FILE`: docs/operators/import.md."""

import os
import sys
import tempfile
import time
import uuid
from argparse import ArgumentParser
from contextlib import nullcontext
from pathlib import Path
from shutil import copyfileobj
from typing import Any

from django.core.management.base import BaseCommand, CommandError, OutputWrapper
from django.db import Error, transaction

from config.observability import context
from tasks_app.importing import files
from tasks_app.importing.files import NotStarted
from tasks_app.importing.lines import COLUMNS
from tasks_app.importing.run import Run, Tally
from tasks_app.services import imports

QUIET = 2.0  # seconds before the first word about progress, and between two
SOME_BAD, NOT_STARTED, STOPPED = 1, 2, 130


class Command(BaseCommand):
    help = "Imports tasks from NDJSON or CSV. A second run of the same file changes nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE", help="- is the standard input")
        parser.add_argument("--dry-run", action="store_true", help="tell what would be done, and do nothing")
        parser.add_argument("--atomic", action="store_true", help="all rows, or none if one is bad")
        parser.add_argument("--format", choices=(files.CSV, files.NDJSON), help="where FILE's name and start mislead")

    def handle(self, *, file: str, dry_run: bool, atomic: bool, format: str | None, **_: Any) -> None:
        try:
            with _opened(file, seekable=atomic) as source, context.bind(request_id=f"import-{uuid.uuid4().hex}"):
                self._source, self._kind = source, format or files.kind(file, source)
                tally = self._atomic() if atomic and not dry_run else self._through(write=not dry_run).tally
        except (OSError, NotStarted) as error:
            reason = getattr(error, "strerror", None) or error
            raise CommandError(f"{file}: {reason}", returncode=NOT_STARTED) from error
        except Error as error:
            again = "What is in stays in: run it again when the database is well."
            raise CommandError(f"{str(error).strip()}\n{again}", returncode=NOT_STARTED) from error
        except KeyboardInterrupt as error:
            raise CommandError("Stopped. What is in stays in: run it again to go on.", returncode=STOPPED) from error
        self._end(tally, dry_run=dry_run, nothing=bool(atomic and tally.bad))

    def _through(self, *, write: bool) -> Run:
        self._began = self._spoke = time.monotonic()
        run = Run(self._told, self._passed, write=write)
        run.through(files.rows(self._source, self._kind, COLUMNS))
        return run

    def _atomic(self) -> Tally:
        """Twice through the file: a transaction that writes holds up the relay and the change feed until it ends."""
        tried = self._through(write=False)
        if tried.tally.bad:
            return tried.tally
        imports.make_months(tried.times)
        self._source.seek(0)
        with transaction.atomic(using=imports.USING):
            tally = self._through(write=True).tally
            if tally.bad:  # such as an assignee who was disabled meanwhile
                transaction.set_rollback(True, using=imports.USING)
        return tally

    def _told(self, line: int, reason: str) -> None:
        _say(self.stderr, f"line {line}: {reason}")

    def _passed(self, tally: Tally) -> None:
        now = time.monotonic()
        if now - self._spoke >= QUIET:
            self._spoke = now
            _say(self.stderr, f"{tally.rows:,} rows, {tally.rows / (now - self._began):,.0f} a second")

    def _end(self, tally: Tally, *, dry_run: bool, nothing: bool) -> None:
        would = "would be " if dry_run else ""
        made = 0 if nothing else tally.made
        _say(
            self.stdout,
            f"{tally.rows:,} rows: {made:,} {would}imported, {tally.there:,} there already, {tally.bad:,} bad",
        )
        if tally.bad:
            more = " Nothing was imported." if nothing else ""
            raise CommandError(f"{tally.bad:,} rows are bad.{more}", returncode=SOME_BAD)


def _opened(name: str, *, seekable: bool) -> Any:
    """What is read twice must be a file: a pipe is copied to one first."""
    if name != "-":
        return Path(name).open("rb")
    if not seekable:
        return nullcontext(sys.stdin.buffer)
    copy = tempfile.TemporaryFile()  # noqa: SIM115
    copyfileobj(sys.stdin.buffer, copy)
    copy.seek(0)
    return copy


def _say(stream: OutputWrapper, text: str) -> None:
    """Nobody reading any more is no reason to end half-way."""
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
