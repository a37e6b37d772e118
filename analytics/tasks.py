"""What runs in the analytics worker."""

from analytics.services import rollups
from config.events.consumer import EventBody, consumer


@consumer(name="analytics.on_event", queue="task.analytics")
def on_event(event: EventBody) -> None:
    rollups.count(event)
