"""Admin lists over tables of any size: no COUNT, no OFFSET, one page read by key.

Django's own list counts the whole table twice and pages by OFFSET; on millions of rows each click then takes
seconds. Here a page is `LIMIT n + 1` behind the last row's id, and the link to older rows carries that id.
"""

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import BadRequest, ValidationError
from django.core.paginator import Paginator
from django.db import DataError
from django.db.models.expressions import Combinable
from django.http import HttpRequest, HttpResponse

BEFORE = "before"


class KeysetChangeList(ChangeList):
    """A page of rows in descending order of the primary key."""

    def get_filters_params(self, params: dict[str, Any] | None = None) -> dict[str, Any]:
        lookups = dict(super().get_filters_params(params))
        lookups.pop(BEFORE, None)
        return lookups

    def get_ordering(self, request: HttpRequest, queryset: Any) -> list[str | Combinable]:
        return ["-pk"]

    def get_results(self, request: HttpRequest) -> None:
        before = self._before()
        rows = self.queryset.filter(pk__lt=before) if before else self.queryset
        found = list(rows[: self.list_per_page + 1])
        self.result_list = found[: self.list_per_page]
        self.older = self._link(self.result_list[-1].pk) if len(found) > self.list_per_page else None
        self.newest = self._link(None) if before else None
        self.result_count = self.full_result_count = len(self.result_list)
        self.show_full_result_count = False
        self.show_admin_actions = True
        self.can_show_all = self.multi_page = False
        self.paginator = Paginator(self.result_list, self.list_per_page)

    def _before(self) -> Any | None:
        raw = self.params.get(BEFORE)
        return self.lookup_opts.pk.to_python(raw) if raw else None

    def _link(self, before: object) -> str:
        parameters = {name: value for name, value in self.params.items() if name != BEFORE}
        if before is not None:
            parameters[BEFORE] = str(before)
        return f"?{urlencode(parameters)}"


class KeysetAdmin(admin.ModelAdmin[Any]):
    """A list that costs the same at ten rows and at ten million."""

    list_per_page = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # they count the whole table for each filter, by a link that all see
    sortable_by = ()

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return KeysetChangeList

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        try:
            return super().changelist_view(request, extra_context)
        except (ValidationError, DataError) as error:  # a key, or a text with NUL, that no row can have
            raise BadRequest("The address or the form holds a value that no row can have.") from error


class ReadOnlyAdmin(admin.ModelAdmin[Any]):
    """For rows that only the system writes. The key, by which logs and the API name a row, comes first."""

    def get_fields(self, request: HttpRequest, obj: Any | None = None) -> Any:
        fields, key = super().get_fields(request, obj), self.opts.pk.name
        return fields if key in fields else [key, *fields]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any | None = None) -> bool:
        return False
