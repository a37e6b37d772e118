"""Probes."""

from typing import Any

urlpatterns: list[Any] = []
