"""Everything below /v1/notifications."""

from django.urls import path

from notifications.api.notifications import NotificationViewSet

urlpatterns = [
    path("notifications", NotificationViewSet.as_view({"get": "list"}), name="notifications"),
    path("notifications/read-all", NotificationViewSet.as_view({"post": "read_all"}), name="read-all"),
    path("notifications/<id:id>/read", NotificationViewSet.as_view({"post": "read"}), name="read"),
]
