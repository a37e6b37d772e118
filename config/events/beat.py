"""Beat, of which any number may run: one leads, the others stand by.

The schedule is kept in memory: a file would not be there for a standby on another machine. So every job is due when
beat begins, or a beat that is restarted daily would never send a daily job. Jobs are idempotent.
"""

import logging
from typing import Any

from celery.beat import Scheduler
from celery.schedules import schedule
from django.db import Error

from config.data.leadership import Leadership

logger = logging.getLogger("events.beat")
STANDBY = 1.0  # seconds between two tries to lead


class LeadingScheduler(Scheduler):
    def __init__(self, *args: Any, **more: Any) -> None:
        self._leadership = Leadership("beat")
        self._leads: bool | None = None
        super().__init__(*args, **more)

    def setup_schedule(self) -> None:
        super().setup_schedule()
        for entry in self.schedule.values():
            if isinstance(entry.schedule, schedule):
                entry.last_run_at -= entry.schedule.run_every  # type: ignore[attr-defined] # not in the stubs

    def tick(self, *args: Any, **more: Any) -> float:
        """Seconds until the next tick; nothing is sent unless this process leads."""
        leads = self._hold()
        if leads != self._leads:
            self._leads = leads
            logger.info("beat leads" if leads else "beat stands by: another one leads")
        return float(super().tick(*args, **more)) if leads else STANDBY

    def _hold(self) -> bool:
        try:
            return self._leadership.hold()
        except Error as error:
            logger.warning("beat cannot ask for the lead: %s", error)
            self._leadership.drop()
            return False
