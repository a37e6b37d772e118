"""Clients that others' tools make from the OpenAPI document work with the running system, as they come."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.journeys.system import System

pytestmark = [pytest.mark.stack, pytest.mark.timeout(240)]

HERE = Path(__file__).parent
DOCUMENT = HERE.parent.parent / "config" / "api" / "openapi.json"
BIN = Path(sys.executable).parent


def run(system: System, folder: Path, *command: str) -> str:
    """What the command printed. Warnings of a generator are failures too: it leaves out what it does not understand."""
    environment = {
        **os.environ,
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(folder),
        "TASKMILL_URL": system.url,
        "TASKMILL_TOKEN": system.local.token("alice"),
    }
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "warning" not in (done.stdout + done.stderr).lower(), done.stdout + done.stderr
    return done.stdout.strip()


def test_a_python_client_makes_a_task(real_system: System, tmp_path: Path) -> None:
    options = ("--path", str(DOCUMENT), "--output-path", str(tmp_path / "made"), "--meta", "none")
    run(real_system, tmp_path, str(BIN / "openapi-python-client"), "generate", *options)
    task = run(real_system, tmp_path, sys.executable, str(HERE / "python_client.py"))
    assert real_system.caller("alice").get(f"/v1/tasks/{task}").json()["status"] == "completed"


def test_a_typescript_client_makes_a_task(real_system: System, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(HERE / "typescript", tmp_path / "typescript"))
    run(real_system, folder, "npm", "ci", "--no-audit", "--no-fund", "--silent")
    run(real_system, folder, "npx", "--no-install", "openapi-typescript", str(DOCUMENT), "-o", "build/v1.d.ts")
    run(real_system, folder, "npx", "--no-install", "tsc")
    task = run(real_system, folder, "node", "build/smoke.js")
    assert real_system.caller("alice").get(f"/v1/tasks/{task}").json()["status"] == "completed"
