"""Requests and responses, and the refusals that become OAuth error answers."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

Json = Any
Headers = Sequence[tuple[str, str]]


class Refusal(Exception):
    """An answer other than success, as OAuth 2.0 words it (RFC 6749 section 5.2)."""

    def __init__(self, status: int, error: str, description: str = "") -> None:
        super().__init__(f"{status} {error}: {description}")
        self.status, self.error, self.description = status, error, description


class PageRefusal(Refusal):
    """A refusal that a person sees: the browser must not be sent on to an address that was not checked."""


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    query_text: str
    headers: Mapping[str, str]  # names in lower case
    body: bytes
    address: str  # the caller's

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(self.query_text, keep_blank_values=True)

    def parameters(self) -> dict[str, str]:
        """The query's parameters, each of which may be there once (RFC 6749 section 3.1)."""
        return _single(self.query)

    def form(self) -> dict[str, str]:
        if "application/x-www-form-urlencoded" not in self.headers.get("content-type", ""):
            return {}
        return _single(parse_qs(self.body.decode(errors="replace"), keep_blank_values=True))

    def objects(self) -> list[dict[str, Any]]:
        """The objects of a JSON array, or the one that the body is."""
        try:
            body = json.loads(self.body)
        except ValueError as error:
            raise Refusal(400, "invalid_request", "The body is not JSON.") from error
        found = body if isinstance(body, list) else [body]
        if not all(isinstance(item, dict) for item in found):
            raise Refusal(400, "invalid_request", "The body is not made of JSON objects.")
        return found

    def object(self) -> dict[str, Any]:
        match self.objects():
            case [one]:
                return one
        raise Refusal(400, "invalid_request", "The body is not one JSON object.")

    def bearer(self) -> str:
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Refusal(401, "invalid_token", "A bearer token is missing.")
        return token.strip()


def _single(parameters: Mapping[str, list[str]]) -> dict[str, str]:
    repeated = [name for name, values in parameters.items() if len(values) > 1]
    if repeated:
        raise Refusal(400, "invalid_request", "duplicated parameter")
    return {name: values[0] for name, values in parameters.items()}


def json_response(body: Json, status: int = 200, headers: Headers = (("Cache-Control", "no-store"),)) -> Response:
    return Response(status, json.dumps(body).encode(), (("Content-Type", "application/json"), *headers))


def redirect(url: str, parameters: Mapping[str, str], *, fragment: bool = False, headers: Headers = ()) -> Response:
    """To a checked address, whose own query is kept; never cached, since it may carry a code."""
    parts = urlsplit(url)
    if fragment:
        parts = parts._replace(fragment=urlencode(parameters))
    elif parameters:
        parts = parts._replace(query="&".join(filter(None, [parts.query, urlencode(parameters)])))
    return Response(302, headers=(("Location", urlunsplit(parts)), ("Cache-Control", "no-store"), *headers))
