"""`python -m config.launch.inbox --smtp PORT --web PORT`: takes every mail and shows it, for `make run`.

FOR DEVELOPMENT ONLY, on loopback: nothing is sent on. The newest mails are kept in memory; a restart empties the
inbox. The JSON at `/api/email` has the fields of maildev's, so that tests read either.
"""

import argparse
import email
import email.policy
import email.utils
import json
import signal
import sys
import threading
import uuid
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from email.message import EmailMessage
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

HOST = "127.0.0.1"
_MOST = 500  # mails
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #111827; }}
table {{ border-collapse: collapse; width: 100%; }}
th, td {{ text-align: left; padding: .25rem .5rem; border-bottom: 1px solid #d1d5db; vertical-align: top; }}
pre {{ white-space: pre-wrap; background: #f3f4f6; padding: 1rem; }}
iframe {{ width: 100%; height: 30rem; border: 1px solid #d1d5db; }}
</style></head><body><main><h1>{title}</h1>
{body}
</main></body></html>
"""
# A mail's HTML is shown in a frame without scripts; nothing is loaded from elsewhere (a mail may hold trackers).
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-src 'self'"

Mail = dict[str, Any]


class Inbox:
    """The mails, newest first."""

    def __init__(self) -> None:
        self._mails: deque[Mail] = deque(maxlen=_MOST)
        self._lock = threading.Lock()

    def add(self, mail: Mail) -> None:
        with self._lock:
            self._mails.appendleft(mail)

    def find(self, subject: str | None = None) -> list[Mail]:
        with self._lock:
            return [mail for mail in self._mails if subject is None or mail["subject"] == subject]

    def get(self, mail_id: str) -> Mail | None:
        return next((mail for mail in self.find() if mail["id"] == mail_id), None)

    def clear(self) -> None:
        with self._lock:
            self._mails.clear()


def read(envelope: Envelope) -> Mail:
    """The mail of an SMTP delivery, in the shape of maildev's JSON."""
    message = email.message_from_bytes(envelope.original_content or b"", policy=email.policy.default)
    text, html = (message.get_body((kind,)) for kind in ("plain", "html"))
    return {
        "id": uuid.uuid4().hex[:8],
        "time": datetime.now(UTC).isoformat(),
        "subject": str(message["subject"] or ""),
        "from": _addresses(message, "from"),
        "to": _addresses(message, "to"),
        "headers": {name.lower(): str(value) for name, value in message.items()},
        "text": text.get_content() if text else "",
        "html": html.get_content() if html else "",
        "attachments": [_attachment(part) for part in message.iter_attachments()],
        "envelope": {"from": envelope.mail_from, "to": envelope.rcpt_tos},
    }


def _addresses(message: EmailMessage, header: str) -> list[dict[str, str]]:
    pairs = email.utils.getaddresses([str(value) for value in message.get_all(header, [])])
    return [{"address": address, "name": name} for name, address in pairs]


def _attachment(part: Any) -> dict[str, Any]:
    content = part.get_payload(decode=True) or b""
    return {"fileName": part.get_filename(), "contentType": part.get_content_type(), "length": len(content)}


class Receiver:
    """What aiosmtpd calls."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self._inbox.add(read(envelope))
        return "250 Message accepted for delivery"


class Pages(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port: int, inbox: Inbox) -> None:
        self.inbox = inbox
        super().__init__((HOST, port), Handler)


class Handler(BaseHTTPRequestHandler):
    server: Pages
    server_version, sys_version = "taskmill-inbox", ""
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one packet instead of two

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        match parts.path.strip("/").split("/"):
            case [""]:
                self._page("Inbox", _list(self.server.inbox.find()))
            case ["mail", mail_id] if mail := self.server.inbox.get(mail_id):
                self._page(mail["subject"] or "(no subject)", _mail(mail))
            case ["api", "healthz"]:
                self._json(True)
            case ["api", "email"]:
                self._json(self.server.inbox.find(parse_qs(parts.query).get("subject", [None])[0]))
            case ["api", "email", mail_id] if mail := self.server.inbox.get(mail_id):
                self._json(mail)
            case _:
                self._json({"error": "not found"}, 404)

    def do_DELETE(self) -> None:
        if urlsplit(self.path).path != "/api/email/all":
            return self._json({"error": "not found"}, 404)
        self.server.inbox.clear()
        return self._json(True)

    def _page(self, title: str, body: str) -> None:
        self._send(200, "text/html; charset=utf-8", _PAGE.format(title=escape(title), body=body))

    def _json(self, body: Any, status: int = 200) -> None:
        self._send(status, "application/json", json.dumps(body))

    def _send(self, status: int, kind: str, text: str) -> None:
        """Only to callers that name this machine: a page on the web may point its own name at 127.0.0.1."""
        if self.headers.get("Host", "").rpartition(":")[0] not in {HOST, "localhost"}:
            status, text = 400, "This inbox serves 127.0.0.1 only."
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", _POLICY)
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Quiet: health checks come several times a second."""


def _names(people: Sequence[dict[str, str]]) -> str:
    return escape(", ".join(person["address"] for person in people))


def _list(mails: Sequence[Mail]) -> str:
    if not mails:
        return "<p>No mail yet. Complete a task, and reload this page.</p>"
    rows = "".join(
        f'<tr><td><a href="/mail/{mail["id"]}">{escape(mail["subject"]) or "(no subject)"}</a></td>'
        f"<td>{_names(mail['to'])}</td><td>{escape(mail['time'][:19])} UTC</td></tr>"
        for mail in mails
    )
    return f"<table><thead><tr><th>Subject</th><th>To</th><th>Received</th></tr></thead><tbody>{rows}</tbody></table>"


def _mail(mail: Mail) -> str:
    head = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in mail["headers"].items()
    )
    files = "".join(f"<li>{escape(str(item['fileName']))}, {item['length']} bytes</li>" for item in mail["attachments"])
    frame = f'<iframe sandbox title="HTML part" srcdoc="{escape(mail["html"])}"></iframe>' if mail["html"] else ""
    text = f"<pre>{escape(mail['text'])}</pre>" if mail["text"] else ""
    return f'<p><a href="/">Inbox</a></p>{text}{frame}<ul>{files}</ul><table><tbody>{head}</tbody></table>'


def main() -> int:
    """Serve until TERM or INT; 1 with one line when a port is taken."""
    parser = argparse.ArgumentParser(prog="python -m config.launch.inbox", description=__doc__)
    parser.add_argument("--smtp", type=int, required=True)
    parser.add_argument("--web", type=int, required=True)
    arguments = parser.parse_args()
    inbox = Inbox()
    smtp = Controller(Receiver(inbox), hostname=HOST, port=arguments.smtp, ident="taskmill-inbox")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    try:
        with Pages(arguments.web, inbox) as pages:
            smtp.start()
            print(f"inbox at http://{HOST}:{arguments.web}", flush=True)
            pages.serve_forever()
    except OSError as error:
        print(f"inbox: {error.strerror}", file=sys.stderr)
        return 1
    except SystemExit:
        smtp.stop(no_assert=True)
    return 0


def _stop(number: int, frame: object) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main())
