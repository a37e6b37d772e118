"""What Django reads of a request: a WSGI environment (PEP 3333) made from a parsed head."""

import io
import sys
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_to_bytes

from gunicorn.asgi.parser import CallbackRequest

from config.server import later

_ALWAYS = {
    "SCRIPT_NAME": "",
    "wsgi.version": (1, 0),
    "wsgi.errors": sys.stderr,
    "wsgi.multithread": True,
    "wsgi.multiprocess": True,
    "wsgi.run_once": False,
    **later.OF_SERVER,
    "wsgi.url_scheme": "http",  # a proxy that ends TLS says so in a header (SECURE_PROXY_SSL_HEADER)
}
_WITHOUT_PREFIX = {"CONTENT-TYPE": "CONTENT_TYPE", "CONTENT-LENGTH": "CONTENT_LENGTH"}

Address = tuple[str, str]


def of(request: CallbackRequest, body: bytes, server: Address, client: str) -> dict[str, Any]:
    path, query = request.raw_path, request.query
    environ = {
        **_ALWAYS,
        "REQUEST_METHOD": request.method,
        "QUERY_STRING": query,
        "SERVER_PROTOCOL": f"HTTP/{request.version[0]}.{request.version[1]}",
        "SERVER_NAME": server[0],
        "SERVER_PORT": server[1],
        "REMOTE_ADDR": client,
        "wsgi.input": io.BytesIO(body),
    }
    for raw_name, raw_value in request.headers_bytes:
        name = _key(raw_name)
        if name is not None:
            value = raw_value.decode("latin-1")
            environ[name] = f"{environ[name]},{value}" if name in environ else value
    if not path.startswith(b"/"):  # the absolute form, which names the host too (RFC 9112 §3.2.2)
        _, is_absolute, rest = path.partition(b"://")
        if is_absolute:
            host, _, path = rest.partition(b"/")  # whether it is one, Django judges, as of the header
            environ["HTTP_HOST"], path = host.decode("latin-1"), b"/" + path
    environ["PATH_INFO"] = unquote_to_bytes(path).decode("latin-1")
    return environ


@lru_cache(256)
def _key(name: bytes) -> str | None:
    """None for a name with `_`: X_Forwarded_For would pass for X-Forwarded-For, which only proxies may send."""
    text = name.decode("latin-1").upper()
    return None if "_" in text else _WITHOUT_PREFIX.get(text) or f"HTTP_{text.replace('-', '_')}"
