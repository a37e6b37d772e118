from django.apps import AppConfig


class TasksConfig(AppConfig):
    name = "tasks_app"
    verbose_name = "Tasks"

    def ready(self) -> None:
        from config import purging  # noqa: PLC0415 (models are not ready at import time)
        from tasks_app.services import trash  # noqa: PLC0415

        purging.register("tasks in the trash", trash.purge_old)
