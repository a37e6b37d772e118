"""gunicorn's settings: `gunicorn -c config/gunicorn.py config.wsgi`.

Read by the master, which loads the settings but never sets Django up: the workers do that, after the fork.
"""

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from config import env
from config.observability import logs


def _make_samples_folder() -> None:
    """Where the workers put their samples, which the master serves. A folder that was given is kept as it is."""
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        return
    folder = tempfile.mkdtemp(prefix="taskmill-metrics-")
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
    atexit.register(_remove, folder, os.getpid())


def _remove(folder: str, owner: int) -> None:
    if os.getpid() == owner:  # a worker, which is a fork, leaves by the same door
        shutil.rmtree(folder, ignore_errors=True)


_make_samples_folder()
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
os.environ.setdefault("PART", "api")
try:
    bind = env.address("API_BIND", "127.0.0.1:8000")
    workers = env.integer("API_WORKERS", 2, least=1, most=64)
    threads = env.integer("API_THREADS", 4, least=1, most=64)
    logconfig_dict = settings.LOGGING  # reads all other settings too, once for all workers
except ImproperlyConfigured as error:
    sys.exit(f"taskmill: {error}")  # one line, instead of a traceback from each worker

worker_class = "config.server.worker.Worker"
backlog = 1024
worker_connections = 1000 + settings.API_WAITING  # who waits for news takes no place from others
timeout = 30  # a worker that does not answer its master for this long is replaced
graceful_timeout = 30
keepalive = 75  # longer than the load balancer's, which must be the one that closes
# Against leaks only. A new worker costs a second of CPU, which under load must not come every few seconds.
max_requests, max_requests_jitter = 500_000, 100_000
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 (heartbeats must not wait for a disk)
limit_request_line, limit_request_fields, limit_request_field_size = 8190, 64, 16_380
# Two instances of one user would take over the same control socket.
control_socket_disable = True
proc_name = f"taskmill-{settings.PART}"
accesslog = None  # the application writes one line for each request


def when_ready(server: Any) -> None:
    from config.observability import exposition  # noqa: PLC0415 (prometheus_client looks for the folder when it is imported)

    exposition.serve(settings.METRICS_BIND)


def post_fork(server: Any, worker: Any) -> None:
    logs.capture()  # loading the application may warn already


def post_worker_init(worker: Any) -> None:
    from config.observability import process  # noqa: PLC0415

    process.begin()
