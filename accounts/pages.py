"""The one page that a person sees when a login does not work."""

from collections.abc import Mapping

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from config.observability import context


def refusal(
    request: HttpRequest, status: int, title: str, detail: str, headers: Mapping[str, str] | None = None
) -> HttpResponse:
    values = {"title": title, "detail": detail, "request_id": context.request_id.get()}
    response = render(request, "accounts/refusal.html", values, status=status)
    for name, value in {"Cache-Control": "no-store", **(headers or {})}.items():
        response.headers[name] = value
    return response
