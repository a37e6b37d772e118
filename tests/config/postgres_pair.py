"""A primary and a streaming replica of the tests' own, with the configuration of `make stack`."""

import secrets
import shutil
import signal
import tempfile
from pathlib import Path
from typing import Any

import psycopg

from config.launch.parts import Part, Running
from config.launch.stack import postgres
from config.launch.stack.layout import Layout
from tests.config.servers import eventually, free_port

SECRETS = ("POSTGRES_PASSWORD", "TASKMILL_DB_PASSWORD", "REPLICATION_PASSWORD")


class PostgresPair:
    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="taskmill-postgres-"))
        self.folder.chmod(0o755)  # its servers run as an account of their own
        self._secret = {name: secrets.token_urlsafe(16) for name in SECRETS}
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

    def settings(self, role: str) -> dict[str, str]:
        """Django's names for a connection of the application's own account."""
        return {
            "NAME": "taskmill",
            "USER": "taskmill",
            "PASSWORD": self._secret["TASKMILL_DB_PASSWORD"],
            "HOST": "127.0.0.1",
            "PORT": str(self._layout.port[f"postgres-{role}"]),
        }

    def connect(self, role: str, *, autocommit: bool = True) -> "psycopg.Connection[Any]":
        return psycopg.connect(
            host="127.0.0.1",
            port=self._layout.port[f"postgres-{role}"],
            user="postgres",
            password=self._secret["POSTGRES_PASSWORD"],
            dbname="taskmill",
            autocommit=autocommit,
        )

    def ask(self, role: str, sql: str, *values: Any) -> Any:
        """The first value of the first row, if the statement has rows."""
        with self.connect(role) as connection:
            done = connection.execute(sql, values or None)
            row = done.fetchone() if done.description else None
            return row[0] if row else None

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
