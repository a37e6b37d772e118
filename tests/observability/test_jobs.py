"""An event's way through the relay and a worker, as real processes tell it: lines, metrics, spans, one trace."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from config.observability import context
from tests.config.servers import OwnRedis, eventually, free_port
from tests.events.conftest import Append, Processes, append, log_table  # noqa: F401 - fixtures
from tests.events.effects import await_effects
from tests.observability import samples
from tests.observability.receivers import Receiver

pytestmark = pytest.mark.stack

TRACE = "0af7651916cd43dd8448eb211c80319c"


class Told(Processes):
    """Processes that serve metrics and send spans."""

    def __init__(self, folder: Path, broker_url: str, collector: Receiver) -> None:
        super().__init__(folder, broker_url)
        self._env["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"http://127.0.0.1:{collector.port}"
        self._env["OTEL_BSP_SCHEDULE_DELAY"] = "100"
        self.ports: dict[int, int] = {}

    def _start(self, command: list[str], env: dict[str, str]) -> "subprocess.Popen[bytes]":
        port, name = free_port(), f"part-{len(self._all)}"
        own = {
            "METRICS_BIND": f"127.0.0.1:{port}",
            "PART": name,
            "PROMETHEUS_MULTIPROC_DIR": str(self._folder / f"samples-{name}"),
        }
        process = super()._start(command, {**env, **own})
        self.ports[process.pid] = port
        return process

    def lines(self, process: "subprocess.Popen[bytes]") -> list[dict[str, Any]]:
        """Fails when a line is no JSON object."""
        return [json.loads(line) for line in self.output(process).splitlines()]

    def samples(self, process: "subprocess.Popen[bytes]") -> samples.Samples:
        return samples.scrape(self.ports[process.pid])

    def end(self, process: "subprocess.Popen[bytes]") -> None:
        os.kill(process.pid, signal.SIGTERM)
        process.wait(60)


@pytest.fixture
def told(log_table: None, tmp_path: Path, receiver: Receiver, settings: Any) -> Iterator[Told]:  # noqa: F811
    broker = OwnRedis(tmp_path)
    settings.BROKER_URL = broker.url
    processes = Told(tmp_path, broker.url, receiver)
    yield processes
    processes.stop()
    broker.kill()


def test_an_event_is_one_trace_and_one_request_id_in_all_lines(
    told: Told,
    append: Append,  # noqa: F811
    receiver: Receiver,
) -> None:
    relay, worker = told.relay(), told.worker()
    with context.bind(request_id="way-1", traceparent=f"00-{TRACE}-b7ad6b7169203331-01"):
        append()
    await_effects(1)
    told.end(worker)
    told.end(relay)
    for process in (relay, worker):
        told_by = [line for line in told.lines(process) if line["request_id"] == "way-1"]
        assert told_by
        assert {line["trace_id"] for line in told_by} == {TRACE}
    spans = {span.name: span for span in receiver.spans() if span.trace_id.hex() == TRACE}
    assert set(spans) == {"publish probe.happened", "notifications.probe"}
    assert {span.parent_span_id.hex() for span in spans.values()} == {"b7ad6b7169203331"}


def test_jobs_and_the_relay_are_measured(told: Told, append: Append) -> None:  # noqa: F811
    relay, worker = told.relay(), told.worker()
    append()
    append(**{"raise": "poison"})
    await_effects(1)

    def outcomes() -> dict[str, float | None]:
        count = "taskmill_job_duration_seconds_count"
        labels = {"queue": "task.notifications", "task": "notifications.probe"}
        found = told.samples(worker)
        return {outcome: samples.total(found, count, outcome=outcome, **labels) for outcome in ("success", "failure")}

    eventually(lambda: outcomes() == {"success": 1, "failure": 1}, "the measurement of both jobs")
    eventually(lambda: samples.total(told.samples(relay), "taskmill_relay_leader") == 1, "the relay's word")
    found = told.samples(relay)
    assert samples.total(found, "taskmill_partition_months_ahead") == 3
    eventually(
        lambda: samples.total(told.samples(relay), "taskmill_dead_letters", queue="task.notifications") == 1,
        "the count of the dead letter",
    )


def test_beat_prints_lines_only(told: Told) -> None:
    beat = told.beat()
    eventually(lambda: "beat leads" in told.output(beat), "the start of beat", within=60)
    told.end(beat)
    assert told.lines(beat)
