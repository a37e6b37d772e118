from django.contrib import admin

from accounts.people_admin import PeopleAdmin
from notifications.models import Notification, Preferences


@admin.register(Notification)
class NotificationAdmin(PeopleAdmin):
    user_field = "user_id"
    list_display = ("title", "type", "person", "at", "read_at", "email_status", "email_attempts", "email_error")
    list_filter = ("email_status", "type")
    search_fields = ("=user_id",)


@admin.register(Preferences)
class PreferencesAdmin(PeopleAdmin):
    user_field = "user_id"
    list_display = ("person", "time_zone", "muted", "version")
    search_fields = ("=user_id",)
