"""Oversight of users, of the role matrix and of denials. What Keycloak decides is shown, not edited."""

from typing import TYPE_CHECKING

import django.contrib.auth.admin  # noqa: F401 - it registers Group, which is taken away below
from django import forms
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.models import PERMISSIONS, Denial, Role, User

if TYPE_CHECKING:
    _UserAdmin, _RoleAdmin = admin.ModelAdmin[User], admin.ModelAdmin[Role]
    _DenialAdmin, _RoleForm = admin.ModelAdmin[Denial], forms.ModelForm[Role]
else:
    _UserAdmin = _RoleAdmin = _DenialAdmin = admin.ModelAdmin
    _RoleForm = forms.ModelForm


class ReadOnly:
    """Nothing can be added, changed or deleted here."""

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


@admin.register(User)
class UserAdmin(ReadOnly, _UserAdmin):  # type: ignore[misc] # the mixin's narrower answers come first
    list_display = ("username", "email", "role_names", "is_active", "is_staff", "last_seen_at", "id")
    list_filter = ("is_active", "is_staff")
    search_fields = ("=id", "username__startswith", "email__startswith")
    ordering = ("-last_seen_at",)
    show_full_result_count = False  # COUNT(*) over all users
    fields = (
        "id",
        "username",
        "email",
        "role_names",
        "is_active",
        "is_staff",
        "first_seen_at",
        "last_seen_at",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return super().get_queryset(request).prefetch_related("groups")

    @admin.display(description="roles")
    def role_names(self, user: User) -> str:
        return ", ".join(sorted(group.name for group in user.groups.all())) or "none"


class RoleForm(_RoleForm):
    permissions = forms.ModelMultipleChoiceField(
        Permission.objects.none(),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="Takes effect within a few seconds, everywhere.",
    )

    class Meta:
        model = Role
        fields = ("name", "permissions")

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        field = self.fields["permissions"]
        assert isinstance(field, forms.ModelMultipleChoiceField)  # noqa: S101 - for the type checker
        field.queryset = Permission.objects.filter(content_type__app_label="accounts", codename__in=PERMISSIONS)
        field.label_from_instance = _label  # type: ignore[method-assign]


def _label(permission: Permission) -> str:
    return f"{permission.codename}: {permission.name}"


@admin.register(Role)
class RoleAdmin(_RoleAdmin):
    """The role matrix. A role counts when Keycloak has a realm role (or role of the API's client) of its name."""

    form = RoleForm
    list_display = ("name", "held")
    search_fields = ("name",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Role]:
        return super().get_queryset(request).prefetch_related("permissions")

    @admin.display(description="permissions")
    def held(self, role: Role) -> str:
        return ", ".join(sorted(permission.codename for permission in role.permissions.all())) or "none"


@admin.register(Denial)
class DenialAdmin(ReadOnly, _DenialAdmin):  # type: ignore[misc]
    list_display = ("kind", "subject", "session", "issued_before", "written_at", "expires_at")
    list_filter = ("kind",)
    search_fields = ("=subject", "=session")
    ordering = ("-written_at",)
    show_full_result_count = False


admin.site.unregister(Group)  # the same rows as Role, with every permission of Django to tick
