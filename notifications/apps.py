from django.apps import AppConfig

from config.events.subscriptions import Subscription, subscribe


class NotificationsConfig(AppConfig):
    name = "notifications"
    verbose_name = "Notifications"

    def ready(self) -> None:
        from notifications.services import inbox  # noqa: PLC0415 (models are not ready at import time)

        subscribe(
            Subscription(
                name="notifications",
                queue="task.notifications",
                task="notifications.on_event",
                types=inbox.HEARD,
                concerns=inbox.concerns,
            )
        )
