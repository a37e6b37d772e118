"""The periodic job of tasks."""

from config.events.jobs import job
from tasks_app.services import counts


@job(name="tasks.fold_counts", every=60)
def fold_counts() -> None:
    counts.fold()
