"""gunicorn's settings: `gunicorn -c config/gunicorn.py config.wsgi`.

Read by the master before Django is set up, so it takes the few values it needs from the environment itself.
"""

import json
import os
import shutil
import socket
import tempfile
from http import HTTPStatus
from pathlib import Path
from typing import Any

from gunicorn import util

from config import env
from config.observability import context
from config.observability.logs import logging_config

_PART = env.text("PART", "api")

bind = env.address("API_BIND", "127.0.0.1:8000")
worker_class = "gthread"
workers = env.integer("API_WORKERS", 2, least=1, most=64)
threads = env.integer("API_THREADS", 4, least=1, most=64)
backlog = 1024
timeout = 30  # a worker that does not answer its master for this long is replaced
graceful_timeout = 30
keepalive = 75  # longer than the load balancer's, which must be the one that closes
max_requests, max_requests_jitter = 10_000, 2_000
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 (heartbeats must not wait for a disk)
limit_request_line, limit_request_fields, limit_request_field_size = 8190, 64, 16_380
# Two instances of one user would take over the same control socket.
control_socket_disable = True
proc_name = f"taskmill-{_PART}"
accesslog = None  # the application writes one line for each request
logconfig_dict = logging_config(env.text("LOG_LEVEL", "INFO"), _PART)


def _refuse(sock: socket.socket, status: int, reason: str, detail: str) -> None:
    """gunicorn's own refusals, of what it cannot read as a request, as problem documents (RFC 9457).

    `detail` repeats what was sent; it stands in the log already and goes nowhere else.
    """
    request_id = context.new_request_id()
    problem = {
        "type": "/problems/bad-request" if status == HTTPStatus.BAD_REQUEST else "about:blank",
        "title": reason,
        "status": status,
        "detail": "The request line, a header or the body's framing is malformed or too long.",
        "instance": "/",
        "request_id": request_id,
    }
    body = json.dumps(problem)
    head = (
        f"HTTP/1.1 {status} {reason}\r\nConnection: close\r\nContent-Type: application/problem+json\r\n"
        f"Cache-Control: no-store\r\nX-Request-Id: {request_id}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    util.write_nonblock(sock, (head + body).encode("ascii"))


util.write_error = _refuse  # there is no setting for it


def on_starting(server: Any) -> None:
    """Samples of processes from an earlier start would be counted again."""
    chosen = os.environ.get("PROMETHEUS_MULTIPROC_DIR") or tempfile.mkdtemp(prefix="taskmill-metrics-")
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = chosen
    folder = Path(chosen)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def when_ready(server: Any) -> None:
    from config.observability import metrics  # noqa: PLC0415 (needs the folder made above)

    metrics.serve(env.address("METRICS_BIND"))


def post_worker_init(worker: Any) -> None:
    from django.conf import settings  # noqa: PLC0415

    from config.observability import sentry  # noqa: PLC0415

    if settings.SENTRY_DSN:
        sentry.start()


def child_exit(server: Any, worker: Any) -> None:
    from prometheus_client.multiprocess import mark_process_dead  # noqa: PLC0415

    mark_process_dead(worker.pid)
