from django.contrib import admin

from config.keyset_admin import KeysetAdmin, ReadOnlyAdmin
from notifications.models import Notification, Preferences


@admin.register(Notification)
class NotificationAdmin(ReadOnlyAdmin, KeysetAdmin):
    list_display = ("title", "type", "user_id", "at", "read_at", "email_status", "email_attempts", "email_error")
    list_filter = ("email_status", "type")
    search_fields = ("=user_id",)
    search_help_text = "A user id"


@admin.register(Preferences)
class PreferencesAdmin(ReadOnlyAdmin, KeysetAdmin):
    list_display = ("user_id", "time_zone", "muted", "version")
    search_fields = ("=user_id",)
    search_help_text = "A user id"
