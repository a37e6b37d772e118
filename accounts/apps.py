"""The accounts app, and the admin site that logs in through Keycloak."""

from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps
from django.db.models.signals import post_migrate

from config.observability import health


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = "Accounts"
    default = True

    def ready(self) -> None:
        from accounts import keys, seed  # noqa: PLC0415 - models are not loaded before ready()

        post_migrate.connect(seed.seed_roles, sender=self, dispatch_uid="accounts.seed_roles")
        health.register("keycloak", keys.check)


class TaskmillAdminConfig(admin_apps.AdminConfig):
    default = False
    default_site = "accounts.admin_site.TaskmillAdminSite"
