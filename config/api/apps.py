from django.apps import AppConfig


class ApiConfig(AppConfig):
    """What every endpoint shares: problems, pages, preconditions, idempotency, limits, the schema."""

    name = "config.api"
    label = "api"
    verbose_name = "API"
