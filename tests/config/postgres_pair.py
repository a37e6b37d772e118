"""A primary and a streaming replica of the tests' own, with the configuration of `make stack`."""

import secrets
import shutil
import signal
import tempfile
from pathlib import Path
from typing import Any

import psycopg
from django.core.management import call_command
from django.db import connections

from config.launch.parts import Part, Running
from config.launch.stack import postgres
from config.launch.stack.layout import Layout
from tests.config.servers import eventually, free_port


class PostgresPair:
    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="taskmill-postgres-"))
        self.folder.chmod(0o755)  # its servers run as an account of their own
        self._secret = {name: secrets.token_urlsafe(16) for name in postgres.SECRETS}
        self._layout = Layout(
            folder=self.folder,
            data=self.folder,
            cache=self.folder,
            port={f"postgres-{role}": free_port() for role in ("primary", "replica")},
            secret=self._secret,
        )
        self._parts = {part.name: part for part in postgres.parts(self._layout)}
        self._running: dict[str, Running] = {}
        for part in self._parts.values():
            self._start(part)

    def _start(self, part: Part) -> None:
        if part.prepare:
            part.prepare()
        running = Running(part, f"{part.log.parent} {part.name}")
        if part.once:
            code = running.process.wait(60)
            assert code == 0, running.last_line()
            return
        self._running[part.name] = running
        assert part.ready
        eventually(part.ready, f"the start of {part.name}", within=60)

    def settings(self, role: str, user: str = postgres.API) -> dict[str, str]:
        """Django's names for a connection of one of the application's own accounts."""
        return {
            "NAME": "taskmill",
            "USER": user,
            "PASSWORD": self._secret[postgres.PASSWORDS[user]],
            "HOST": "127.0.0.1",
            "PORT": str(self._layout.port[f"postgres-{role}"]),
        }

    def connect(self, role: str, *, autocommit: bool = True, user: str = "postgres") -> "psycopg.Connection[Any]":
        return psycopg.connect(
            host="127.0.0.1",
            port=self._layout.port[f"postgres-{role}"],
            user=user,
            password=self._secret[{**postgres.PASSWORDS, "postgres": "POSTGRES_PASSWORD"}[user]],
            dbname="taskmill",
            autocommit=autocommit,
        )

    def ask(self, role: str, sql: str, *values: Any) -> Any:
        """The first value of the first row, if the statement has rows."""
        with self.connect(role) as connection:
            done = connection.execute(sql, values or None)
            row = done.fetchone() if done.description else None
            return row[0] if row else None

    def run(self, step: str) -> None:
        """Once more."""
        self._start(self._parts[step])

    def migrate(self) -> None:
        """As the owner of the tables, which nobody who serves is."""
        before = dict(connections.settings["default"])
        self._connect_default(self.settings("primary", postgres.MIGRATOR))
        call_command("migrate", database="default", verbosity=0)
        self._connect_default(before)

    def _connect_default(self, settings: dict[str, Any]) -> None:
        connections["default"].close()
        del connections["default"]
        connections.settings["default"].update(settings)

    def pause(self) -> None:
        self.ask("replica", "SELECT pg_wal_replay_pause()")
        eventually(
            lambda: self.ask("replica", "SELECT pg_get_wal_replay_pause_state()") == "paused", "the pause of the replay"
        )

    def resume(self) -> None:
        self.ask("replica", "SELECT pg_wal_replay_resume()")

    def catch_up(self) -> None:
        place = self.ask("primary", "SELECT pg_current_wal_lsn()")
        eventually(
            lambda: self.ask("replica", "SELECT pg_last_wal_replay_lsn() >= %s", place), "the replica catches up"
        )

    def stop(self, role: str) -> None:
        running = self._running.pop(f"postgres-{role}")
        running.signal_all(signal.SIGKILL)
        running.process.wait()
        eventually(running.is_gone, f"the end of the {role}")

    def start(self, role: str) -> None:
        self._start(self._parts[f"postgres-{role}"])

    def freeze(self, role: str) -> None:
        self._running[f"postgres-{role}"].signal_all(signal.SIGSTOP)

    def thaw(self, role: str) -> None:
        self._running[f"postgres-{role}"].signal_all(signal.SIGCONT)

    def runs(self, role: str) -> bool:
        return f"postgres-{role}" in self._running

    def end(self) -> None:
        for running in self._running.values():
            running.kill()
        shutil.rmtree(self.folder)
