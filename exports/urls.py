"""Filled by the app."""

from typing import Any

urlpatterns: list[Any] = []
