"""The dead letters on a page: seen where they lie, broker or table, and replayed or purged from there."""

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render

from config.events import deadletters
from config.events.models import DeadLetter
from config.events.publisher import TROUBLE
from config.keyset_admin import ReadOnlyAdmin

SHOWN = 100
ACTIONS = {"replay": deadletters.replay, "purge": deadletters.purge}


@admin.register(DeadLetter)
class DeadLetterAdmin(ReadOnlyAdmin):
    def has_view_permission(self, request: HttpRequest, obj: Any | None = None) -> bool:
        return bool(request.user.is_active and request.user.is_staff)

    has_module_permission = has_view_permission

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        try:
            if request.method == "POST":
                self._deal(request)
                return HttpResponseRedirect(request.path)
            letters = deadletters.listing(limit=SHOWN + 1)
        except TROUBLE as error:
            messages.error(request, f"The broker does not answer ({error}). Nothing was changed; try again later.")
            letters = []
        context = {
            **self.admin_site.each_context(request),
            "title": "Dead letters",
            "opts": self.opts,
            "letters": letters[:SHOWN],
            "more": len(letters) > SHOWN,
        }
        return render(request, "admin/events/deadletter/change_list.html", {**context, **(extra_context or {})})

    def _deal(self, request: HttpRequest) -> None:
        action, chosen = ACTIONS.get(request.POST.get("action", "")), request.POST.getlist("letter")
        if action is None or not chosen:
            messages.warning(request, "Choose letters, and what to do with them.")
            return
        done = action(chosen)
        messages.success(request, f"{done} of {len(chosen)} letters done. What fails again will be back here.")
