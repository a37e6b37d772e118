"""Which client calls, and whether it proves so (RFC 6749 section 2.3)."""

import base64
import binascii
import hmac
from collections.abc import Iterable, Mapping
from urllib.parse import unquote_plus

from config.launch.issuer.core import Issuer
from config.launch.issuer.realm import Client
from config.launch.issuer.web import Refusal, Request


def authenticate(issuer: Issuer, request: Request, form: Mapping[str, str]) -> Client:
    """The client of HTTP Basic or of the form; a public one only names itself."""
    client_id, secret = _basic(request) or (form.get("client_id", ""), form.get("client_secret", ""))
    client = issuer.realm.clients.get(client_id)
    if client is None or not client.enabled:
        raise Refusal(401, "invalid_client", "Invalid client or Invalid client credentials")
    if client.secret is not None and not hmac.compare_digest(client.secret.encode(), secret.encode()):
        raise Refusal(401, "unauthorized_client", "Invalid client or Invalid client credentials")
    return client


def allows(addresses: Iterable[str], asked: str) -> bool:
    """Whether an address is one of those listed; only a star at the end stands for something else."""
    return any(asked == listed or (listed.endswith("*") and _below(listed[:-1], asked)) for listed in addresses)


def origins(issuer: Issuer) -> set[str]:
    """From which pages browsers may call."""
    return {origin for client in issuer.realm.clients.values() for origin in client.web_origins}


def _below(start: str, asked: str) -> bool:
    return asked.startswith(start) and ".." not in asked


def _basic(request: Request) -> tuple[str, str] | None:
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise Refusal(401, "invalid_client", "The Authorization header is not Basic.") from error
    return unquote_plus(name), unquote_plus(secret)
