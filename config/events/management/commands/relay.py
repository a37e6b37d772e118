from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from config.events.relay import Relay
from config.observability import metrics


class Command(BaseCommand):
    help = "Publishes the event log to the broker until it is stopped. Start several: one leads, the others stand by."

    def handle(self, **_: Any) -> None:
        metrics.serve(settings.METRICS_BIND)
        relay = Relay()
        relay.stop_on_signals()
        relay.run()
