"""Takes secrets out of a finished log line.

It runs on every line, so each pattern waits behind a cheaper look.
"""

import re

_NAMES = rb"(?:password|passwd|secret|token|authorization|cookie|sessionid|csrftoken)"
_JWT = re.compile(rb"eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_.-]*)?")
_SCHEME = re.compile(rb"(?i)\b(bearer|basic) +[A-Za-z0-9._~+/=-]{6,}")
_URL_PASSWORD = re.compile(rb"(://[^:/@\s\"]*):[^/\s\"]+@")
_HEADER = re.compile(rb"(?i)((?:set-)?cookie|authorization): ?[^\"\\]+")
_MEMBER = re.compile(rb'(?i)(%b\w*": ?")(?:[^"\\]|\\.)*' % _NAMES)
# JSON, or what repr() makes of a dict, inside a text.
_QUOTED_MEMBER = re.compile(rb'(?i)(%b\w*(?:\\"|\'): ?(?:\\"|\'))(?:[^"\'\\]|\\[^"])*' % _NAMES)
_ASSIGNMENT = re.compile(rb"(?i)(%b\w*)=[^\s&;,\"'\\]+" % _NAMES)
_HINT = re.compile(_NAMES, re.IGNORECASE)


def scrub(line: bytes) -> bytes:
    if b"eyJ" in line:
        line = _JWT.sub(b"[token]", line)
    if b"@" in line:
        line = _URL_PASSWORD.sub(rb"\1:[secret]@", line)
    # A request's line holds none of these bytes, and a search for one byte costs next to nothing.
    if b" " in line or b"=" in line or b"\\" in line or b"'" in line or line.find(b"{", 1) > 0:
        line = _prose(line)
    return line


def _prose(line: bytes) -> bytes:
    if b"earer " in line or b"asic " in line or b"EARER " in line:
        line = _SCHEME.sub(rb"\1 [secret]", line)
    if _HINT.search(line):
        line = _named(line)
    return line


def _named(line: bytes) -> bytes:
    line = _HEADER.sub(rb"\1: [secret]", line)
    line = _MEMBER.sub(rb"\1[secret]", line)
    line = _QUOTED_MEMBER.sub(rb"\1[secret]", line)
    return _ASSIGNMENT.sub(rb"\1=[secret]", line)
