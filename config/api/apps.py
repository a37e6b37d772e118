from django.apps import AppConfig


class ApiConfig(AppConfig):
    """What every endpoint shares: problems, pages, preconditions, idempotency, limits, the schema."""

    name = "config.api"
    label = "api"
    verbose_name = "API"

    def ready(self) -> None:
        from config import purging  # noqa: PLC0415 (models are not ready at import time)
        from config.api import idempotency  # noqa: PLC0415

        purging.register("idempotency keys", idempotency.forget_old)
