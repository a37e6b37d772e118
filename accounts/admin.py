"""Oversight of users, of the role matrix and of denials. What Keycloak decides is shown, not edited."""

import django.contrib.auth.admin  # noqa: F401 - it registers Group, which is taken away below
from django import forms
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.models import PERMISSIONS, Denial, Role, User
from config.keyset_admin import KeysetAdmin, ReadOnlyAdmin


@admin.register(User)
class UserAdmin(ReadOnlyAdmin, KeysetAdmin):
    list_display = ("username", "email", "role_names", "is_active", "is_staff", "last_seen_at")
    list_filter = ("is_active", "is_staff")
    search_fields = ("=id", "username__startswith", "email__startswith")
    search_help_text = "A user's id, or the beginning of a name or e-mail address"
    fields = ("id", "username", "email", "role_names", "is_active", "is_staff", "first_seen_at", "last_seen_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return User.objects.prefetch_related("groups")

    @admin.display(description="roles, as the last token said")
    def role_names(self, user: User) -> str:
        return ", ".join(sorted(group.name for group in user.groups.all())) or "none"


class PermissionChoice(forms.ModelMultipleChoiceField[Permission]):
    def label_from_instance(self, obj: Permission) -> str:
        return f"{obj.codename}: {obj.name}"


class RoleForm(forms.ModelForm[Role]):
    permissions = PermissionChoice(
        Permission.objects.filter(content_type__app_label="accounts", codename__in=PERMISSIONS).order_by("codename"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="Takes effect within a few seconds, everywhere.",
    )

    class Meta:
        model = Role
        fields = ("name", "permissions")


@admin.register(Role)
class RoleAdmin(admin.ModelAdmin[Role]):
    """The role matrix. A role counts when Keycloak has a realm role (or role of the API's client) of its name."""

    form = RoleForm
    list_display = ("name", "held")
    search_fields = ("name",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Role]:
        return super().get_queryset(request).prefetch_related("permissions").order_by("name")

    @admin.display(description="permissions")
    def held(self, role: Role) -> str:
        return ", ".join(sorted(permission.codename for permission in role.permissions.all())) or "none"


@admin.register(Denial)
class DenialAdmin(ReadOnlyAdmin, KeysetAdmin):
    list_display = ("kind", "subject", "session", "issued_before", "written_at", "expires_at")
    list_filter = ("kind",)
    search_fields = ("=subject", "=session")


admin.site.unregister(Group)  # the same rows as Role, with every permission of Django to tick
