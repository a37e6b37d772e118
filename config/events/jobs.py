"""Jobs that run by the clock. `@job(name=…, every=…)` in an app's tasks.py is all that one needs."""

from collections.abc import Callable
from typing import Any

from config.celery import app


def job(*, name: str, every: float, queue: str = "task.default") -> Callable[[Callable[[], None]], Any]:
    """Runs the function every so many seconds, once per period whatever the number of beats.

    Must be idempotent: a killed worker's job is done again. A message that waits longer than its period expires,
    so that an outage is not followed by a burst of the same job.
    """

    def decorate(function: Callable[[], None]) -> Any:
        entry = {"task": name, "schedule": every, "options": {"expires": every}}
        app.conf.beat_schedule = {**app.conf.beat_schedule, name: entry}
        return app.on_queue(queue, name=name)(function)

    return decorate
