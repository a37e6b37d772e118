from django.contrib import admin

from analytics.models import DailyRollup
from config.keyset_admin import KeysetAdmin, ReadOnlyAdmin


@admin.register(DailyRollup)
class DailyRollupAdmin(ReadOnlyAdmin, KeysetAdmin):
    list_display = ("date", "owner", "created", "completed", "deleted")
    search_fields = ("=owner",)
    search_help_text = "A user id"
