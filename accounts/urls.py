"""Addresses under /v1."""

from django.urls import path

from accounts.api.me import LimitsView, MeView
from accounts.api.users import UserViewSet

urlpatterns = [
    path("me", MeView.as_view({"get": "retrieve"}), name="me"),
    path("me/limits", LimitsView.as_view({"get": "retrieve"}), name="limits"),
    path("users", UserViewSet.as_view({"get": "list"}), name="users"),
    path("users/<str:id>", UserViewSet.as_view({"get": "retrieve", "patch": "partial_update"}), name="user"),
    path("users/<str:id>/roles", UserViewSet.as_view({"put": "roles"}), name="user-roles"),
    path("users/<str:id>/sign-out", UserViewSet.as_view({"post": "sign_out"}), name="user-sign-out"),
]
