"""manage.py keycloak_watch: ends access within seconds when Keycloak's events say so (accounts.watcher)."""

import logging
import signal
import sys
import time
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError, connections

from accounts import denials
from accounts.keycloak_admin import KeycloakAdmin, KeycloakRefused, KeycloakUnavailable
from accounts.watcher import EVERY, Watcher
from config.data.leadership import Leadership
from config.observability import process

logger = logging.getLogger(__name__)

_LONGEST_PAUSE = 5.0  # seconds between two tries in an outage of Keycloak: its end must be noticed soon, too
_CLEAN_EVERY = 300.0  # seconds


class Command(BaseCommand):
    help = "Follow Keycloak's events and deny the tokens of users who were disabled, changed or logged out."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="poll once and leave")

    def handle(self, *args: Any, once: bool, **options: Any) -> None:
        # An exception, so that a wait for Keycloak or PostgreSQL ends too.
        signal.signal(signal.SIGTERM, _stop)
        process.start()
        follower = _Follower()
        if once:
            follower.work()
            return
        try:
            while True:
                time.sleep(follower.step())
        except KeyboardInterrupt:
            sys.exit(0)


class _Follower:
    """Leads or waits, and lets no outage end the process."""

    def __init__(self) -> None:
        self._leadership = Leadership("keycloak_watch")
        self._watcher: Watcher | None = None
        self._pause = EVERY
        self._cleaned_at = float("-inf")

    def step(self) -> float:
        """Work once, if this process leads; returns the seconds until the next step."""
        try:
            if self._leadership.hold():
                self.work()
            else:
                self._watcher = None  # it would start from an old place when it leads
            self._pause = EVERY
        except (KeycloakUnavailable, KeycloakRefused) as error:
            logger.warning("keycloak not read", extra={"error": str(error)})
            self._pause = min(self._pause * 1.5, _LONGEST_PAUSE)
        except (DatabaseError, denials.NotWritten) as error:
            logger.warning("denials not written", extra={"error": str(error)})
            self._leadership.drop()
            connections["default"].close()
        return self._pause

    def work(self) -> None:
        if self._watcher is None:
            self._watcher = Watcher(KeycloakAdmin())
            logger.info("following keycloak's events")
        self._watcher.publish()
        ended = self._watcher.poll()
        if ended:
            logger.info("access ended", extra={"events": ended})
        if time.monotonic() - self._cleaned_at >= _CLEAN_EVERY:
            denials.forget_expired()
            self._cleaned_at = time.monotonic()


def _stop(signum: int, frame: FrameType | None) -> None:
    sys.exit(0)
