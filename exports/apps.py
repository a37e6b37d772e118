from django.apps import AppConfig

from config import purging
from config.events.subscriptions import Subscription, subscribe


class ExportsConfig(AppConfig):
    name = "exports"
    verbose_name = "Exports"

    def ready(self) -> None:
        from exports.services import retention  # noqa: PLC0415 (models are not ready at import time)

        purging.register("expired exports", retention.expire)
        purging.register("orphaned export files", retention.sweep)
        subscribe(
            Subscription(
                name="exports",
                queue="task.export",
                task="exports.on_event",
                types=frozenset({"export.requested"}),
            )
        )
