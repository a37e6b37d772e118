"""Samples of several processes: added up, kept when a process ends, and dropped where only the living count."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from config.observability import exposition
from tests.observability import samples

ROOT = Path(__file__).resolve().parents[2]
# Counts, and holds one request in flight, until it is told to end.
CHILD = """
import sys
from prometheus_client import Counter, Gauge, Histogram
Counter("worked", "", ["kind"]).labels("x").inc(3)
Histogram("lasted", "", buckets=(1, 5)).observe(2)
Gauge("held", "", multiprocess_mode="livesum").inc()
print("ready", flush=True)
sys.stdin.read()
"""


def child(folder: Path) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD],
        env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def kill(process: "subprocess.Popen[str]") -> None:
    with process:
        process.send_signal(signal.SIGKILL)


@pytest.fixture
def shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CollectorRegistry:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    return exposition.registry()


def read(registry: CollectorRegistry) -> samples.Samples:
    return samples.parse(generate_latest(registry).decode())


def test_a_killed_process_leaves_its_counts_and_takes_its_gauges(tmp_path: Path, shown: CollectorRegistry) -> None:
    first, second = child(tmp_path), child(tmp_path)
    try:
        found = read(shown)
        assert samples.total(found, "worked_total", kind="x") == 6
        assert samples.total(found, "held") == 2
        kill(first)
        found = read(shown)
        assert samples.total(found, "worked_total", kind="x") == 6
        assert samples.total(found, "lasted_count") == 2
        assert samples.total(found, "lasted_bucket", le="5.0") == 2
        assert samples.total(found, "lasted_bucket", le="1.0") == 0
        assert samples.total(found, "held") == 1
    finally:
        for process in (first, second):
            kill(process)


def test_files_of_the_dead_do_not_pile_up(tmp_path: Path, shown: CollectorRegistry) -> None:
    for number in range(1, 4):
        kill(child(tmp_path))
        assert samples.total(read(shown), "worked_total") == 3 * number
    assert {path.name for path in tmp_path.iterdir()} == {"counter_0.db", "histogram_0.db"}


def test_a_process_that_died_before_its_first_sample_breaks_nothing(tmp_path: Path, shown: CollectorRegistry) -> None:
    process = subprocess.Popen(["true"])
    process.wait()
    (tmp_path / f"counter_{process.pid}.db").touch()
    assert samples.total(read(shown), "taskmill_build_info") == 1


def test_a_process_tells_its_version_and_its_own_state(shown: CollectorRegistry) -> None:
    found = read(shown)
    assert samples.total(found, "taskmill_build_info", part="tests", version="0.1.0") == 1
    assert samples.total(found, "python_info") == 1
    assert (samples.total(found, "process_resident_memory_bytes") or 0) > 0


def test_without_a_folder_a_process_shows_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    found = read(exposition.registry())
    assert samples.total(found, "taskmill_build_info", part="tests") == 1
    assert samples.total(found, "taskmill_redis_breaker_open") is not None


@pytest.mark.parametrize("command", [["manage.py", "openapi", "--check"], ["-m", "celery", "-A", "config", "report"]])
def test_a_folder_that_is_not_there_is_made_before_the_first_metric(tmp_path: Path, command: list[str]) -> None:
    folder = tmp_path / "not" / "there"
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder)}
    subprocess.run([sys.executable, *command], cwd=ROOT, env=environment, capture_output=True, check=True, timeout=60)
    assert list(folder.glob("*.db"))
