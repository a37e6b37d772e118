"""Probes: public, without limits."""

from django.urls import path

from config.api.public import readable
from config.observability import checks, health

checks.register()

urlpatterns = [
    path("livez", readable(health.livez), name="livez"),
    path("readyz", readable(health.readyz), name="readyz"),
]
