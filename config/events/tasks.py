from datetime import UTC, datetime, timedelta

from django.db import connections

from config.data import ids, partitions
from config.events.jobs import job
from config.events.models import DeadLetter, ProcessedEvent

HOUR, DAY = 3600.0, 86400.0
# A dead letter that is replayed later than this could have its effect twice.
REMEMBER = timedelta(days=90)


@job(name="events.make_partitions", every=6 * HOUR)
def make_partitions() -> None:
    partitions.ensure(connections["direct"])


@job(name="events.forget", every=DAY)
def forget() -> None:
    """Forgets what was consumed, and the letters that were dealt with, REMEMBER ago."""
    limit = datetime.now(UTC) - REMEMBER
    ProcessedEvent.objects.filter(event_id__lt=ids.floor(limit)).delete()
    DeadLetter.objects.filter(replayed_at__lt=limit).delete()
