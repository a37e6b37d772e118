"""Tasks for oversight: found by owner, id or text; read here, changed through the same services as the API."""

from collections.abc import Iterable, Iterator
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from accounts import services as accounts
from config.events.models import Event
from config.keyset_admin import KeysetAdmin, ReadOnlyAdmin
from tasks_app.models import Task
from tasks_app.services import oversight

MOST_OWNERS = 100  # of one search: enough for a name, bounded for a letter
HISTORY_LENGTH = 200
PEOPLE = ("owner", "assignee")  # fields that hold a user's id


def told(events: list[Event]) -> Iterator[tuple[Event, str, dict[str, Any]]]:
    """Each event with its actor's name and its changes, in which people have names too."""
    names = accounts.usernames(set(people(events)))
    for event in events:
        changes = {
            field: {side: names.get(value, value) if field in PEOPLE else value for side, value in change.items()}
            for field, change in (event.changes or {}).items()
        }
        yield event, names.get(event.actor, event.actor), changes


def people(events: Iterable[Event]) -> Iterator[str]:
    for event in events:
        yield event.actor
        yield from (value for field in PEOPLE for value in (event.changes or {}).get(field, {}).values() if value)


class TrashFilter(admin.SimpleListFilter):
    title, parameter_name = "trash", "trash"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "In the trash")]

    def choices(self, changelist: Any) -> Iterator[Any]:
        unfiltered, *others = super().choices(changelist)
        yield {**unfiltered, "display": "Not in the trash"}
        yield from others

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.trashed() if self.value() == "yes" else queryset.alive()


@admin.register(Task)
class TaskAdmin(ReadOnlyAdmin, KeysetAdmin):
    list_display = ("title", "owner", "status", "priority", "due_at", "created_at")
    list_select_related = ()  # a join would hide the tasks of an owner who has not called yet: imported ones
    list_filter = (TrashFilter, "status", "priority")
    search_fields = ("title",)  # shows the box; get_search_results decides
    search_help_text = "A task id, an owner's id, name or e-mail address, or words of the title and description"
    actions = ("complete", "move_to_trash")

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("owner")

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        """By index only: a task's id, its owner, or its text."""
        term = search_term.strip()
        if not term:
            return queryset, False
        try:
            return queryset.filter(id=UUID(term)) | queryset.filter(owner_id=term), False
        except ValueError:
            owners = accounts.ids_matching(term, limit=MOST_OWNERS)
            return (queryset.filter(owner_id__in=owners) if owners else queryset.matching(term)), False

    def has_view_permission(self, request: HttpRequest, obj: Any | None = None) -> bool:
        return bool(request.user.is_active and request.user.is_staff)

    has_module_permission = has_view_permission

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The task's last events, oldest first, as the API's history tells them."""
        task = self.get_object(request, object_id)
        if task is None:
            raise Http404
        events = list(Event.objects.filter(subject=task.id).order_by("-xid", "-id")[:HISTORY_LENGTH])[::-1]
        context = {
            **self.admin_site.each_context(request),
            "task": task,
            "rows": told(events),
            "opts": self.opts,
            "title": f"History of {task.title}",
        }
        return render(request, "admin/tasks_app/task/history.html", {**context, **(extra_context or {})})

    @admin.action(description="Complete the selected tasks")
    def complete(self, request: HttpRequest, queryset: QuerySet[Task]) -> None:
        self._each(request, queryset, lambda task: oversight.complete(actor=str(request.user.pk), task=task))

    @admin.action(description="Move the selected tasks to the trash")
    def move_to_trash(self, request: HttpRequest, queryset: QuerySet[Task]) -> None:
        self._each(request, queryset, lambda task: oversight.trash(actor=str(request.user.pk), task=task))

    def _each(self, request: HttpRequest, queryset: QuerySet[Task], change: Any) -> None:
        tasks = list(queryset.values_list("id", flat=True))  # counted now: the list does not show what is in the trash
        changed = sum(change(task) for task in tasks)
        others = "" if changed == len(tasks) else "; the others were so already"
        messages.success(request, f"{changed} of {len(tasks)} selected tasks changed{others}.")
