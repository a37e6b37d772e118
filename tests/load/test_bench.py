"""`make bench` with next to nothing to do: it starts, seeds, measures every kind of call, and stops."""

import json
import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from config.launch import disk
from config.launch.application import ROOT
from tests.embedded_fixture import free_ports

pytestmark = pytest.mark.install  # starts servers of its own


def test_the_bench_measures_and_leaves_nothing_running(tmp_path: Path) -> None:
    cases = ("get-hit", "list-page-1000", "list-search", "mixed")
    folder = tmp_path / secrets.token_hex(4)  # root's servers keep data elsewhere, under a name made of the folder's
    env = {
        **os.environ,
        "BENCH_DIR": str(folder),
        "BENCH_PORT": str(free_ports()),
        "BENCH_TASKS": "300",
        "BENCH_SECONDS": "2",
        "BENCH_ROUNDS": "1",
        "BENCH_CASES": ",".join(cases),
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.load"],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    assert [result["case"] for result in results] == list(cases)
    for result in results:
        assert result["server"] == "taskmill"
        assert result["rps"] > 0, result
        assert result["errors"] == 0, result
        assert result["api_cpu_s_per_1000"] > 0, result
    assert not (folder / "state.json").exists()
    disk.remove(folder)
