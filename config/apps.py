from django.apps import AppConfig


class PlatformConfig(AppConfig):
    """The platform as a Django app: it brings the operators' commands that belong to no feature."""

    name = "config"
    label = "config"
    verbose_name = "Platform"

    def ready(self) -> None:
        from config.data import grants, partitions  # noqa: PLC0415 (models are not ready at import time)

        partitions.connect()
        grants.connect()
