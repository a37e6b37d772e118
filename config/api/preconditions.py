"""Conditional requests (RFC 9110 §13) on versions: the strong ETag of version 3 is `"3"`."""

import re

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from config.api.problems import Problem

# `W/"3"` counts as `"3"`: compressing intermediaries weaken tags, and a client that echoes what it got must
# not fail for ever. The server itself never sends a weak tag.
_TAG = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
_FIELD = re.compile(rf"[ \t,]*{_TAG}(?:[ \t]*,[ \t,]*{_TAG})*[ \t,]*")
_OPAQUE = re.compile(r'"[^"]*"')
ANY = "*"


def etag(version: int) -> str:
    return f'"{version}"'


def _tags(request: HttpRequest, name: str) -> set[str] | None:
    """The tags of a header in their quotes, {"*"}, or None when it is not sent. Raises Problem 400 when malformed."""
    raw = request.META.get(f"HTTP_{name.upper().replace('-', '_')}")  # `headers` would be made of all of them
    if raw is None:
        return None
    if raw.strip() == ANY:
        return {ANY}
    if _FIELD.fullmatch(raw) is None:
        raise Problem("bad-request", f'{name} must be * or a list of entity tags such as "3".')
    return set(_OPAQUE.findall(raw))


class IfMatch:
    """The preconditions of a write: `If-Match`, and `If-None-Match`, which forbids what it names.

    Parsed before the object is looked up, so that a malformed one is 400 first.
    """

    def __init__(self, tags: set[str] | None, unwanted: set[str] | None = None) -> None:
        self._tags, self._unwanted = tags, unwanted

    @classmethod
    def of(cls, request: HttpRequest) -> "IfMatch":
        return cls(_tags(request, "If-Match"), _tags(request, "If-None-Match"))

    @classmethod
    def none(cls) -> "IfMatch":
        """Of a caller that has no version in mind."""
        return cls(None)

    @property
    def given(self) -> bool:
        return self._tags is not None

    @classmethod
    def version(cls, version: int | None) -> "IfMatch":
        """Of an operation in a body, which names the version itself."""
        return cls(None if version is None else {etag(version)})

    def missing(self, client: str) -> bool:
        """Must this client name a version, and did not?"""
        return not self.given and client in settings.STRICT_CLIENTS

    def check(self, version: int) -> None:
        """Raises Problem 412 that names the current version, when the caller has seen another one."""
        current = {ANY, etag(version)}
        if (self._tags is not None and not current & self._tags) or current & (self._unwanted or set()):
            raise Problem(
                "precondition-failed",
                f"The current version is {version}.",
                members={"version": version},
                headers={"ETag": etag(version)},
            )


def not_modified(request: HttpRequest, version: int) -> bool:
    """Whether `If-None-Match` says that the client has this version (weak comparison, RFC 9110 §13.1.2)."""
    tags = _tags(request, "If-None-Match")
    return tags is not None and (ANY in tags or etag(version) in tags)


def representation(request: HttpRequest, version: int, body: bytes | str) -> HttpResponse:
    """200 with the JSON of a single resource, or 304 for a client that has this version."""
    headers = {"ETag": etag(version)}
    if not not_modified(request, version):
        return HttpResponse(body, content_type="application/json", headers=headers)
    response = HttpResponse(status=304, headers=headers)
    del response.headers["Content-Type"]
    return response
