from django.apps import AppConfig

from config.events.subscriptions import Subscription, subscribe


class AnalyticsConfig(AppConfig):
    name = "analytics"
    verbose_name = "Analytics"

    def ready(self) -> None:
        from analytics.services.rollups import COUNTED  # noqa: PLC0415 (models are not ready at import time)

        subscribe(
            Subscription(name="analytics", queue="task.analytics", task="analytics.on_event", types=frozenset(COUNTED))
        )
