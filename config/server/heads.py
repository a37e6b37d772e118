"""The head of an answer, as bytes."""

import time
from email.utils import formatdate
from functools import lru_cache

from django.http import HttpResponse

from config.server.calls import Response

WITHOUT_BODY = frozenset({204, 304})


def of(response: Response, *, closes: bool, version: tuple[int, int]) -> bytes:
    status = response.status_code
    lines = [f"HTTP/1.1 {status} {response.reason_phrase}\r\nDate: {_date(int(time.time()))}\r\n"]
    lines += [f"{name}: {value}\r\n" for name, value in response.items()]
    lines += [f"{cookie.output()}\r\n" for cookie in response.cookies.values()]
    if (
        isinstance(response, HttpResponse)
        and response.status_code not in WITHOUT_BODY
        and "Content-Length" not in response
    ):
        lines.append(f"Content-Length: {len(response.content)}\r\n")
    if closes:
        lines.append("Connection: close\r\n")
    elif version < (1, 1):
        lines.append("Connection: keep-alive\r\n")
    lines.append("\r\n")
    return "".join(lines).encode("latin-1")


@lru_cache(1)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)
