"""Everything below /v1 that is about tasks."""

from django.urls import path

from tasks_app.api.bulk import BulkViewSet
from tasks_app.api.changes import ChangesViewSet
from tasks_app.api.counts import CountsViewSet
from tasks_app.api.history import HistoryViewSet
from tasks_app.api.tasks import TaskViewSet
from tasks_app.api.trash import TrashViewSet

urlpatterns = [
    path("tasks", TaskViewSet.as_view({"get": "list", "post": "create"}), name="tasks"),
    path(
        "tasks/<id:id>",
        TaskViewSet.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"}),
        name="task",
    ),
    path("tasks/bulk", BulkViewSet.as_view({"post": "create"}), name="bulk"),
    path("tasks/counts", CountsViewSet.as_view({"get": "counts"}), name="counts"),
    path("tasks/<id:id>/history", HistoryViewSet.as_view({"get": "list"}), name="history"),
    path("tasks/<id:id>/restore", TrashViewSet.as_view({"post": "restore"}), name="restore"),
    path("changes", ChangesViewSet.as_view({"get": "list"}), name="changes"),
    path("trash", TrashViewSet.as_view({"get": "list"}), name="trash"),
    path("trash/<id:id>", TrashViewSet.as_view({"delete": "destroy"}), name="trashed-task"),
]
