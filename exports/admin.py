from django.contrib import admin
from django.template.defaultfilters import filesizeformat

from accounts.people_admin import PeopleAdmin
from exports.models import Export


@admin.register(Export)
class ExportAdmin(PeopleAdmin):
    user_field = "owner"
    list_display = ("created_at", "person", "format", "status", "done", "rows", "size", "attempt", "error")
    list_filter = ("status", "format")
    search_fields = ("=owner",)

    @admin.display(description="progress")
    def done(self, export: Export) -> str:
        return f"{export.progress:.0%}"

    @admin.display(description="size")
    def size(self, export: Export) -> str:
        return filesizeformat(export.bytes)
