"""Everything below /v1 that is about tasks."""

from django.urls import path

from tasks_app.api.tasks import TaskViewSet

urlpatterns = [
    path("tasks", TaskViewSet.as_view({"get": "list", "post": "create"}), name="tasks"),
    path(
        "tasks/<id:id>",
        TaskViewSet.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"}),
        name="task",
    ),
]
