from django.apps import AppConfig


class EventsConfig(AppConfig):
    """The event log, its relay to the broker, and what consumers stand on."""

    name = "config.events"
    label = "events"
    verbose_name = "Events"
