"""Addresses under /oidc: logins and logouts of people, and Keycloak's calls."""

from django.urls import path

from accounts.backchannel import backchannel_logout
from accounts.login_views import CallbackView, LoginView, logout

urlpatterns = [
    path("authenticate/", LoginView.as_view(), name="oidc_authentication_init"),
    path("callback/", CallbackView.as_view(), name="oidc_authentication_callback"),
    path("logout/", logout, name="oidc_logout"),
    path("backchannel-logout", backchannel_logout, name="oidc_backchannel_logout"),
]
