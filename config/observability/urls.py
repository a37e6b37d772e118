"""Probes: public, without limits."""

from django.urls import path

from config.observability import health

urlpatterns = [path("livez", health.livez, name="livez"), path("readyz", health.readyz, name="readyz")]
