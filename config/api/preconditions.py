"""Conditional requests (RFC 9110 §13) on versions: the strong ETag of version 3 is `"3"`."""

import re

from django.http import HttpRequest

from config.api.problems import Problem

# `W/"3"` counts as `"3"`: compressing intermediaries weaken tags, and a client that echoes what it got must
# not fail for ever. The server itself never sends a weak tag.
_TAG = re.compile(r'(?:W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
ANY = "*"


def etag(version: int) -> str:
    return f'"{version}"'


def _tags(request: HttpRequest, name: str) -> set[str] | None:
    """The opaque tags of a header, {"*"}, or None when it is not sent. Raises Problem 400 when malformed."""
    raw = request.headers.get(name)
    if raw is None:
        return None
    if raw.strip() == ANY:
        return {ANY}
    tags = set()
    for part in raw.split(","):
        match = _TAG.fullmatch(part.strip())
        if match is None:
            raise Problem("bad-request", f'{name} must be * or a list of entity tags such as "3".')
        tags.add(match[1])
    return tags


class IfMatch:
    """The `If-Match` of a write. Parsed before the object is looked up, so that a malformed one is 400 first."""

    def __init__(self, tags: set[str] | None) -> None:
        self._tags = tags

    @classmethod
    def of(cls, request: HttpRequest) -> "IfMatch":
        return cls(_tags(request, "If-Match"))

    @classmethod
    def none(cls) -> "IfMatch":
        """Of a caller that has no version in mind."""
        return cls(None)

    @property
    def given(self) -> bool:
        return self._tags is not None

    def check(self, version: int) -> None:
        """Raises Problem 412 that names the current version, when the caller has seen another one."""
        if self._tags is not None and ANY not in self._tags and str(version) not in self._tags:
            raise Problem(
                "precondition-failed",
                f"The current version is {version}.",
                members={"version": version},
                headers={"ETag": etag(version)},
            )


def not_modified(request: HttpRequest, version: int) -> bool:
    """Whether `If-None-Match` says that the client has this version (weak comparison, RFC 9110 §13.1.2)."""
    tags = _tags(request, "If-None-Match")
    return tags is not None and (ANY in tags or str(version) in tags)
