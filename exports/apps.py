from django.apps import AppConfig

from config.events.subscriptions import Subscription, subscribe


class ExportsConfig(AppConfig):
    name = "exports"
    verbose_name = "Exports"

    def ready(self) -> None:
        subscribe(
            Subscription(
                name="exports",
                queue="task.export",
                task="exports.on_event",
                types=frozenset({"export.requested"}),
            )
        )
