"""Everything below /v1/notifications, and what one wants to be told."""

from django.urls import path

from notifications.api.notifications import NotificationViewSet
from notifications.api.preferences import PreferencesView

urlpatterns = [
    path("notifications", NotificationViewSet.as_view({"get": "list"}), name="notifications"),
    path("notifications/read-all", NotificationViewSet.as_view({"post": "read_all"}), name="read-all"),
    path("notifications/<id:id>/read", NotificationViewSet.as_view({"post": "read"}), name="read"),
    path(
        "me/preferences",
        PreferencesView.as_view({"get": "retrieve", "patch": "partial_update"}),
        name="preferences",
    ),
]
