from typing import Any

from django.core.management.base import BaseCommand

from config.events.relay import Relay
from config.observability import process
from config.observability.state import State


class Command(BaseCommand):
    help = "Publishes the event log to the broker until it is stopped. Start several: one leads, the others stand by."

    def handle(self, **_: Any) -> None:
        process.start(State())
        relay = Relay()
        relay.stop_on_signals()
        relay.run()
