from django.contrib import admin

from accounts.people_admin import PeopleAdmin
from analytics.models import DailyRollup


@admin.register(DailyRollup)
class DailyRollupAdmin(PeopleAdmin):
    user_field = "owner"
    list_display = ("date", "person", "created", "completed", "deleted")
    search_fields = ("=owner",)
