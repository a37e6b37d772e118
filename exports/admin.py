from django.contrib import admin

from config.keyset_admin import KeysetAdmin, ReadOnlyAdmin
from exports.models import Export


@admin.register(Export)
class ExportAdmin(ReadOnlyAdmin, KeysetAdmin):
    list_display = ("id", "owner", "format", "status", "progress", "rows", "bytes", "attempt", "created_at", "error")
    list_filter = ("status", "format")
    search_fields = ("=owner",)
    search_help_text = "A user id"
