"""Every address. /v1 is the API; /admin and /oidc are pages; the rest is for probes and readers."""

from importlib import import_module
from itertools import chain
from typing import Any

from django.contrib import admin
from django.urls import include, path, register_converter
from django.urls.converters import UUIDConverter
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularRedocView, SpectacularSwaggerView

from config.api import problems, public, schema
from config.api.public import counted, readable


class IdConverter(UUIDConverter):
    """A UUID in any case: the contract's ids are lower case, and what no id can be is simply not found."""

    regex = "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"


register_converter(IdConverter, "id")

_PUBLIC: dict[str, Any] = {"url": "/v1/openapi.json", "authentication_classes": [], "permission_classes": []}

# One level, and first: each level and each address before its own costs a call some microseconds.
_APPS = ("tasks_app", "accounts", "notifications", "exports", "analytics")
v1: list[Any] = [
    *chain.from_iterable(import_module(f"{app}.urls").urlpatterns for app in _APPS),
    path("openapi.json", counted(readable(schema.document)), name="openapi"),
    path("docs", counted(readable(SpectacularSwaggerView.as_view(**_PUBLIC))), name="docs"),
    path("redoc", counted(readable(SpectacularRedocView.as_view(**_PUBLIC))), name="redoc"),
]

urlpatterns = [
    path("v1/", include(v1)),
    path("", readable(RedirectView.as_view(pattern_name="docs"))),
    path("", include("config.observability.urls")),
    path("oidc/", include("accounts.oidc_urls")),
    path("admin/", admin.site.urls),
    path("problems/<slug:slug>", readable(problems.explanation_page), name="problem"),
]

handler400 = problems.bad_request
handler404 = public.not_found
handler500 = problems.server_error
