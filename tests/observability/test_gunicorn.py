"""gunicorn with our settings, as a process: lines, metrics of all workers, spans, one clear line for a bad setting."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.observability import context
from tests.config.servers import eventually
from tests.observability import samples
from tests.observability.receivers import Receiver, attributes
from tests.observability.server import COMMAND, ROOT, Server

pytestmark = pytest.mark.process

COUNT = "http_server_request_duration_seconds_count"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    yield server
    if server.process.poll() is None:
        server.stop()


def test_every_line_is_json_and_each_request_has_one(server: Server) -> None:
    status, headers = server.get("/nowhere", **{"X-Request-Id": "gunicorn-1"})
    assert (status, headers["X-Request-Id"]) == (404, "gunicorn-1")
    assert server.stop() == 0
    (line,) = server.lines(request_id="gunicorn-1")
    assert (line["event"], line["status"], line["part"]) == ("request", 404, "api-9")
    assert {line["logger"] for line in server.lines()} >= {"api", "gunicorn.error"}


def test_a_warning_at_the_start_is_a_line(tmp_path: Path) -> None:
    """WhiteNoise warns of a folder that is not there, while the application is loaded."""
    server = Server(tmp_path, STATIC_ROOT=str(tmp_path / "missing"))
    assert server.stop() == 0
    warned = server.lines(logger="py.warnings")
    assert warned
    assert all("No directory at" in line["event"] for line in warned)


def test_one_address_shows_the_requests_of_all_workers_and_of_killed_ones(server: Server) -> None:
    for _ in range(10):
        server.get("/nowhere")
    assert samples.total(samples.scrape(server.metrics_port), COUNT, status="404") == 10
    first = server.workers()
    for worker in first:
        os.kill(worker, signal.SIGKILL)
    eventually(lambda: len(set(server.workers()) - set(first)) == len(first), "new workers")
    eventually(server.answers, "an answer of a new worker")
    server.get("/nowhere")
    found = samples.scrape(server.metrics_port)
    assert samples.total(found, COUNT, status="404") == 11
    assert samples.total(found, "http_server_active_requests") == 0
    assert samples.total(found, "taskmill_build_info", part="api-9") == 1


def test_the_samples_folder_is_gone_after_the_end(server: Server, tmp_path: Path) -> None:
    assert len(list(tmp_path.glob("taskmill-metrics-*"))) == 1
    assert server.stop() == 0
    assert list(tmp_path.glob("taskmill-metrics-*")) == []


def test_a_folder_that_was_given_is_not_emptied(tmp_path: Path) -> None:
    """It may be any folder that somebody named, such as /tmp."""
    given = tmp_path / "given"
    given.mkdir()
    (given / "precious").touch()
    server = Server(tmp_path, PROMETHEUS_MULTIPROC_DIR=str(given))
    assert server.stop() == 0
    assert (given / "precious").exists()


@pytest.mark.parametrize(("name", "value"), [("API_WORKERS", "many"), ("SECRET_KEY", "changeme")])
def test_a_wrong_setting_stops_the_start_with_one_line(name: str, value: str) -> None:
    done = subprocess.run(
        COMMAND, cwd=ROOT, env={**os.environ, name: value}, capture_output=True, text=True, check=False, timeout=60
    )
    (line,) = (done.stdout + done.stderr).splitlines()
    assert done.returncode == 1
    assert line.startswith(f"taskmill: {name}")


def test_a_request_is_a_span_of_the_caller_s_trace(tmp_path: Path, receiver: Receiver) -> None:
    server = Server(tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{receiver.port}")
    sampled = context.new_traceparent()[:-2] + "01"
    server.get("/nowhere", traceparent=sampled, **{"X-Request-Id": "traced"})
    server.get("/nowhere", traceparent=sampled[:-2] + "00")  # whose caller does not record it
    assert server.stop() == 0
    (span,) = [span for span in receiver.spans() if span.trace_id.hex() == sampled[3:35]]
    assert span.parent_span_id.hex() == sampled[36:52]
    told = attributes(span)
    assert (told["http.response.status_code"], told["request_id"]) == ("404", "traced")
    assert [line["trace_id"] for line in server.lines(request_id="traced")] == [sampled[3:35]]


def test_a_dead_collector_costs_no_answer_and_no_end(tmp_path: Path) -> None:
    server = Server(tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1")
    assert server.get("/nowhere")[0] == 404
    assert server.stop() == 0
    assert server.lines(event="request")
