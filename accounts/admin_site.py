"""The Django admin, entered through Keycloak only."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import URLPattern, URLResolver, reverse

from accounts import login_views


class TaskmillAdminSite(admin.AdminSite):
    site_header = site_title = "Taskmill"
    index_title = "Oversight"
    site_url = "/v1/docs"
    enable_nav_sidebar = False

    def get_urls(self) -> list[URLPattern | URLResolver]:
        """Without the pages for passwords, of which there are none here."""
        return [url for url in super().get_urls() if "password" not in (getattr(url, "name", "") or "")]

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponseBase:  # type: ignore[override] # a redirect instead of a page
        index = reverse("admin:index")
        if self.has_permission(request):
            return HttpResponseRedirect(index)
        target = {"next": request.GET.get("next", index)}
        return HttpResponseRedirect(f"{reverse('oidc_authentication_init')}?{urlencode(target)}")

    def logout(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponseBase:  # type: ignore[override]
        return login_views.logout(request)
