"""`make run`: comes up, keeps its data, goes down without a trace, and says in one line why it cannot start."""

import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from config.launch import disk
from config.launch.client import LocalSystem
from config.launch.processes import everything
from tests.embedded_fixture import EmbeddedRun

pytestmark = pytest.mark.embedded

PARTS = {
    "postgres-primary", "postgres-replica", "redis", "broker", "issuer", "mail",
    "api-1", "worker-all", "relay", "beat", "keycloak-watch",
}  # fmt: skip


@pytest.fixture
def run(tmp_path: Path) -> Iterator[EmbeddedRun]:
    run = EmbeddedRun(tmp_path / "run")
    yield run
    disk.remove(run.folder)


def _titles(system: LocalSystem, user: str = "alice") -> list[str]:
    headers = {"Authorization": f"Bearer {system.token(user)}"}
    answer = httpx.get(f"{system.api_url}/v1/tasks", headers=headers).raise_for_status()
    return [task["title"] for task in answer.json()["results"]]


def _create(system: LocalSystem, title: str) -> None:
    headers = {"Authorization": f"Bearer {system.token('alice')}"}
    httpx.post(f"{system.api_url}/v1/tasks", headers=headers, json={"title": title}).raise_for_status()


def _left(run: EmbeddedRun) -> list[int]:
    """Processes that this folder's launcher started and that still live."""
    return [process.pid for process in everything() if f"TASKMILL_LAUNCH={run.folder} " in _environment(process.pid)]


def _environment(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/environ").read_text(errors="replace")
    except OSError:
        return ""


def _refused(process: subprocess.Popen[str]) -> str:
    """The one line of a start that was refused."""
    _, errors = process.communicate(timeout=60)
    [line] = errors.splitlines()
    assert process.returncode == 1
    return line


def test_all_parts_are_ready_and_demo_tasks_are_there(embedded: LocalSystem) -> None:
    parts = embedded.parts()
    assert {name for name, part in parts.items() if part["ready"]} == PARTS
    assert "Complete a task" in _titles(embedded)
    assert httpx.get(f"{embedded.api_url}/readyz").status_code == 200


def test_every_demo_user_gets_a_token_and_only_nobody_is_kept_out(embedded: LocalSystem) -> None:
    users = ("alice", "bob", "vera", "ada", "nobody", "service")
    headers = [{"Authorization": f"Bearer {embedded.token(user)}"} for user in users]
    answers = [httpx.get(f"{embedded.api_url}/v1/tasks", headers=header).status_code for header in headers]
    assert answers == [200, 200, 200, 200, 403, 200]


def test_replica_follows_the_primary(embedded: LocalSystem) -> None:
    checks = httpx.get(f"{embedded.api_url}/readyz", params={"verbose": ""}).json()["checks"]
    assert checks["replica-1"]["status"] == "ok"


def test_what_it_prints_can_be_pasted_and_data_survives_a_restart(run: EmbeddedRun) -> None:
    with run.up() as (system, launcher):
        _create(system, "Kept over a restart")
        launcher.send_signal(signal.SIGINT)
        printed, errors = launcher.communicate(timeout=60)
    assert (launcher.returncode, errors, _left(run)) == (0, "", [])
    for line in (f"{system.folder}/log", f":{run.port}/v1/docs", f":{run.port}/admin/", "alice and bob (user)", "demo"):
        assert line in printed
    [curl] = re.findall(r"^ +(curl .*)$", printed, re.MULTILINE)
    with run.up() as (system, _):
        pasted = subprocess.run(
            ["bash", "-c", curl], env={**os.environ, "RUN_DIR": str(run.folder)}, check=True, capture_output=True
        )
        assert b"Kept over a restart" in pasted.stdout
        assert "Kept over a restart" in _titles(system)


def test_taken_port_is_named_and_nothing_is_started(run: EmbeddedRun) -> None:
    with socket.create_server(("127.0.0.1", run.port)):
        line = _refused(run.open())
    assert f"port {run.port}, which api-1 needs, is taken" in line
    assert _left(run) == []


@pytest.mark.parametrize("port", ["80", "many", "65530"])
def test_wrong_port_is_refused(run: EmbeddedRun, port: str) -> None:
    assert f"RUN_PORT={port} is wrong" in _refused(run.open(RUN_PORT=port))


def test_second_start_is_refused_while_the_first_runs(embedded: LocalSystem) -> None:
    second = EmbeddedRun(embedded.folder).open()
    assert "is already running" in _refused(second)
    assert httpx.get(f"{embedded.api_url}/livez").status_code == 200


def test_secret_that_cannot_be_read_is_named(run: EmbeddedRun) -> None:
    line = _refused(run.open(OIDC_CLIENT_SECRET_FILE="/none"))
    assert "OIDC_CLIENT_SECRET_FILE=/none cannot be read" in line
    assert _left(run) == []


def test_interrupted_start_leaves_nothing_running(run: EmbeddedRun) -> None:
    launcher = run.open()
    assert launcher.stdout
    launcher.stdout.readline()  # the first part is ready: the start is under way
    launcher.send_signal(signal.SIGINT)
    _, errors = launcher.communicate(timeout=60)
    assert (errors, _left(run)) == ("", [])


def test_killed_launcher_is_cleaned_up_by_the_next_start(run: EmbeddedRun) -> None:
    with run.up() as (system, launcher):
        _create(system, "Kept over a kill")
        launcher.kill()
        launcher.wait()
    with run.up() as (system, _):
        assert "Kept over a kill" in _titles(system)
    assert _left(run) == []
