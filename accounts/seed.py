"""The role matrix that a new system starts with."""

from typing import Any

from django.apps import AppConfig, apps
from django.contrib.auth.management import create_permissions
from django.contrib.auth.models import Permission

from accounts.models import PERMISSIONS, Role

MATRIX = {
    "viewer": ("tasks:read",),
    "user": ("tasks:read", "tasks:write", "tasks:delete"),
    "admin": tuple(PERMISSIONS),
}


def seed_roles(*, using: str, **_: Any) -> None:
    """Make the three roles after `migrate`, when there is no role at all.

    Not a data migration, because the permissions are themselves made after the migrations, and because a
    system whose roles are all gone has no way in to make one: `migrate` repairs it. An edited matrix has
    roles and is left alone.
    """
    if Role.objects.using(using).exists():
        return
    create_permissions(_accounts(), verbosity=0, using=using)
    permissions = {
        permission.codename: permission
        for permission in Permission.objects.using(using).filter(codename__in=PERMISSIONS)
    }
    for name, codenames in MATRIX.items():
        role = Role.objects.using(using).create(name=name)
        role.permissions.set(permissions[codename] for codename in codenames)


def _accounts() -> AppConfig:
    return apps.get_app_config("accounts")
