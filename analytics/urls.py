"""Everything below /v1/analytics."""

from django.urls import path

from analytics.api.analytics import AnalyticsViewSet

urlpatterns = [
    path("analytics/daily", AnalyticsViewSet.as_view({"get": "daily"}), name="analytics-daily"),
    path("analytics/summary", AnalyticsViewSet.as_view({"get": "summary"}), name="analytics-summary"),
]
