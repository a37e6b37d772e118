"""Admin lists of rows that hold a user's id: shown and searched by name, for one more query a page."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest

from accounts import services
from config.keyset_admin import KeysetAdmin, KeysetChangeList, ReadOnlyAdmin

MOST_PEOPLE = 100  # of one search: enough for a name, bounded for a letter


class PeopleChangeList(KeysetChangeList):
    model_admin: "PeopleAdmin"

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        field = self.model_admin.user_field
        names = services.usernames(getattr(row, field) for row in self.result_list)
        for row in self.result_list:
            row.username = names.get(getattr(row, field))


class PeopleAdmin(ReadOnlyAdmin, KeysetAdmin):
    """Names come from who has called: somebody who never did is shown by his id."""

    user_field: str
    search_help_text = "A user's id, or the beginning of a name or e-mail address"

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return PeopleChangeList

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        people = [term, *services.ids_matching(term, limit=MOST_PEOPLE)]
        return queryset.filter(**{f"{self.user_field}__in": people}), False

    @admin.display(description="user")
    def person(self, row: Any) -> str:
        return str(row.username or getattr(row, self.user_field))
