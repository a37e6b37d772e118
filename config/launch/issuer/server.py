"""The HTTP server: loopback only, one thread per call."""

import errno
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

from config.launch.issuer import clients, pages
from config.launch.issuer.core import Issuer
from config.launch.issuer.routes import Router
from config.launch.issuer.web import PageRefusal, Refusal, Request, Response, json_response

HOST = "127.0.0.1"
_LARGEST_BODY = 100_000  # bytes
_TIMEOUT = 30.0  # seconds a caller may take over one request


class PortTaken(Exception):
    pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port: int, issuer: Issuer) -> None:
        self.issuer, self.router = issuer, Router(issuer)
        try:
            super().__init__((HOST, port), Handler)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortTaken(f"port {port} is taken") from error
            raise


class Handler(BaseHTTPRequestHandler):
    server: Server
    server_version, sys_version = "taskmill-issuer", ""
    protocol_version = "HTTP/1.1"
    timeout = _TIMEOUT
    wbufsize = -1  # head and body in one packet: apart they cost a delayed acknowledgement, 40 ms

    def _serve(self) -> None:
        request = self._request()
        try:
            self._check_host()
            response = self.server.router.answer(request) if request.method != "OPTIONS" else Response(204)
        except PageRefusal as refusal:
            response = pages.message("We are sorry", refusal.description, refusal.status)
        except Refusal as refusal:
            response = _refused(refusal)
        self._send(response)

    do_GET = do_POST = do_PUT = do_DELETE = do_OPTIONS = _serve  # noqa: N815 - http.server looks these names up

    def _request(self) -> Request:
        parts, length = urlsplit(self.path), self.headers.get("Content-Length", "0")
        size = int(length) if length.isdecimal() else _LARGEST_BODY + 1
        if size > _LARGEST_BODY:
            self.close_connection = True
        return Request(
            method=self.command,
            path=unquote(parts.path),
            query_text=parts.query,
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self.rfile.read(size) if size <= _LARGEST_BODY else b"",
            address=self.client_address[0],
        )

    def _check_host(self) -> None:
        """A page on the web may point its own name at 127.0.0.1: it gets nothing here."""
        host = self.headers.get("Host", "").rpartition(":")[0]
        if host not in {HOST, "localhost"}:
            raise Refusal(400, "invalid_request", "This issuer serves 127.0.0.1 only.")

    def _send(self, response: Response) -> None:
        self.send_response(response.status)
        for name, value in (*response.headers, *self._cross_origin()):
            self.send_header(name, value)
        if response.status != 204:
            self.send_header("Content-Length", str(len(response.body)))
        self.end_headers()
        self.wfile.write(response.body)

    def _cross_origin(self) -> list[tuple[str, str]]:
        """Pages of the realm's web clients may call from a browser."""
        origin = self.headers.get("Origin", "")
        if origin not in clients.origins(self.server.issuer):
            return []
        return [
            ("Access-Control-Allow-Origin", origin),
            ("Access-Control-Allow-Methods", "GET, POST, OPTIONS"),
            ("Access-Control-Allow-Headers", "Authorization, Content-Type"),
            ("Vary", "Origin"),
        ]

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Without the query, which may carry codes; and not each poll for events, which comes every two seconds."""
        if self.command != "GET" or str(code) >= "400" or not self.path.startswith("/admin/"):
            print(f"{self.command} {urlsplit(self.path).path} {int(code)}", flush=True)

    def log_message(self, format: str, *args: object) -> None:
        print(format % args, file=sys.stderr, flush=True)


def _refused(refusal: Refusal) -> Response:
    body = {"error": refusal.error, **({"error_description": refusal.description} if refusal.description else {})}
    challenge = (("WWW-Authenticate", f'Bearer realm="taskmill", error="{refusal.error}"'),)
    return json_response(body, refusal.status, challenge if refusal.status == 401 else (("Cache-Control", "no-store"),))
