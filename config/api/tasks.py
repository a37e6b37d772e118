"""The platform's own periodic job."""

import logging

from config import purging
from config.events.jobs import job

logger = logging.getLogger(__name__)


@job(name="api.purge", every=3600)
def purge() -> None:
    for what, count in purging.run():
        logger.info("purged", extra={"what": what, "count": count})
