"""A consumer for tests, and the processes that run it beside the real relay and beat.

`python -m tests.events.probe relay`, `celery -A tests.events.probe worker -Q task.notifications`.
What an event does is in its data: {"raise": "transient" | "poison"}, {"kill": true}, {"sleep": 0.1}.
"""

import os
import signal
import sys
import time
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from django.core.management import execute_from_command_line  # noqa: E402
from django.db import connection, connections  # noqa: E402

from config.celery import app  # noqa: E402
from config.events.consumer import EventBody, Transient, consumer  # noqa: E402
from config.events.outbox import Outbox  # noqa: E402
from config.events.subscriptions import Subscription, subscribe  # noqa: E402

__all__ = ["app"]

TYPE = "probe.happened"
NAME = "notifications.probe"
QUEUE = "task.notifications"

TABLE = """
DROP TABLE IF EXISTS probe_effect, probe_attempt;
CREATE TABLE probe_effect (number bigserial, event_id uuid, subject uuid, version int, request_id text);
CREATE TABLE probe_attempt (number bigserial, event_id uuid);
"""

subscribe(Subscription(name="prober", queue=QUEUE, task=NAME, types=frozenset({TYPE})))


@consumer(name=NAME, queue=QUEUE)
def on_event(event: EventBody) -> None:
    with connections["direct"].cursor() as cursor:  # outside the transaction: a try that fails counts too
        cursor.execute("INSERT INTO probe_attempt (event_id) VALUES (%s)", [event["id"]])
    behave = event["data"] or {}
    time.sleep(behave.get("sleep", 0))
    if behave.get("kill"):
        os.kill(os.getpid(), signal.SIGKILL)
    if behave.get("raise") == "transient":
        raise Transient("not now")
    if behave.get("raise") == "poison":
        raise ValueError("never")
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO probe_effect (event_id, subject, version, request_id) VALUES (%s, %s, %s, %s)",
            [event["id"], event["subject"], event["version"], event["request_id"]],
        )


def _die_before_the_cursor_moves() -> None:
    def move(*_: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    Outbox.move = move  # type: ignore[method-assign, assignment]


if __name__ == "__main__":
    if os.environ.get("PROBE_DIE"):
        _die_before_the_cursor_moves()
    execute_from_command_line(["manage.py", *sys.argv[1:]])
