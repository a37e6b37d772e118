from django.apps import AppConfig
from django.core.checks import Tags, register


class EventsConfig(AppConfig):
    """The event log, its relay to the broker, and what consumers stand on."""

    name = "config.events"
    label = "events"
    verbose_name = "Events"

    def ready(self) -> None:
        from config.events import ahead  # noqa: PLC0415 (it needs the apps)

        register(ahead.check, Tags.database)
