"""Who is on the other end of the connection."""

from ipaddress import ip_address

from django.conf import settings
from django.http import HttpRequest


def address(request: HttpRequest) -> str:
    """The client's address: the last `X-Forwarded-For` entry that no trusted proxy wrote.

    Without TRUSTED_PROXIES the header is never looked at: anyone can send it.
    """
    address = _canonical(request.META.get("REMOTE_ADDR", "") or "unknown")
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "")
    for entry in reversed(forwarded.split(",")):
        if not entry.strip() or not _trusted(address):
            break
        address = _canonical(entry.strip())
    return address


def _canonical(address: str) -> str:
    """One spelling of each address: a socket for both protocols names 10.0.0.1 as ::ffff:10.0.0.1."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)


def _trusted(address: str) -> bool:
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in settings.TRUSTED_PROXIES)
