"""What Prometheus fetches: the samples of a process and of its children, from a port of its own (METRICS_BIND).

With PROMETHEUS_MULTIPROC_DIR each process writes files there, named by its id, and the parent adds them up. Processes
come and go (a worker is replaced after so many requests or jobs, or killed), and nobody would ever take their files
away: so each scrape first adds the files of the dead to one, and drops what only the living can say.
"""

import os
import threading
from collections.abc import Iterable
from pathlib import Path
from wsgiref.simple_server import WSGIServer

from django.conf import settings
from prometheus_client import REGISTRY, CollectorRegistry, start_http_server
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_ADDED_UP = frozenset({"counter", "histogram", "summary"})
_GONE = 0  # the "process id" of the file that holds the sums of the dead


class Build(Collector):
    def collect(self) -> Iterable[Metric]:
        info = GaugeMetricFamily("taskmill_build_info", "1; its labels tell what runs", labels=["version", "part"])
        info.add_metric([settings.VERSION, settings.PART], 1)
        yield info


class Samples(Collector):
    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._files = MultiProcessCollector(None, str(folder))
        self._lock = threading.Lock()  # scrapes run in threads

    def describe(self) -> Iterable[Metric]:
        return []  # so that registering reads nothing

    def collect(self) -> Iterable[Metric]:
        with self._lock:
            fold(self._folder)
            return list(self._files.collect())


def fold(folder: Path) -> None:
    """Adds up the files of processes that have ended. For one process only: the one that serves the samples."""
    for path in sorted(folder.glob("*.db")):
        kind, _, process = path.stem.rpartition("_")
        if int(process) == _GONE or _lives(int(process)):
            continue
        if kind in _ADDED_UP:
            _add(path, folder / f"{kind}_{_GONE}.db")
        if kind in _ADDED_UP or kind.startswith("gauge_live"):
            path.unlink()


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # somebody else's, which has been given that id
    return True


def _add(path: Path, sums: Path) -> None:
    if not path.stat().st_size:  # the process died before its first sample
        return
    total = MmapedDict(str(sums))
    for key, value, _, _ in MmapedDict.read_all_values_from_file(str(path)):
        total.write_value(key, total.read_value(key)[0] + value, 0.0)
    total.close()


def registry(*collectors: Collector) -> CollectorRegistry:
    """What this process shows, `collectors` too: with PROMETHEUS_MULTIPROC_DIR the sum over it and its children."""
    collected = CollectorRegistry()
    for collector in (Build(), *collectors):
        collected.register(collector)
    folder = os.environ.get(_FOLDER)
    if folder is None:
        collected.register(REGISTRY)
    else:
        collected.register(Samples(Path(folder)))
        ProcessCollector(registry=collected)
        PlatformCollector(registry=collected)
    return collected


def serve(bind: str, *collectors: Collector) -> WSGIServer | None:
    """Serves /metrics in a thread until the process ends; an empty `bind` means: not at all."""
    if not bind:
        return None
    host, _, port = bind.rpartition(":")
    server, _ = start_http_server(int(port), addr=host.strip("[]"), registry=registry(*collectors))
    return server
