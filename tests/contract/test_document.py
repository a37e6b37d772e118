"""The whole OpenAPI document against the running servers: Schemathesis makes calls that it allows and calls that it
forbids, and follows its links. Each answer must be one that the document tells of.

`make test-contract EXAMPLES=200` goes deeper than `make test`.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from config.api.schema import SNAPSHOT
from tests.journeys.system import System

EXAMPLES = os.environ.get("CONTRACT_EXAMPLES", "4")
SECONDS = 800 + 30 * int(EXAMPLES)  # for one run
pytestmark = [pytest.mark.stack, pytest.mark.timeout(3 * SECONDS)]
HERE = Path(__file__).parent
# What is written must name nobody who is there: each run fills its requests with the ids that its answers held, and a
# run that reads the users would go on to lock them out.
READS, WRITES = "^users_(list|retrieve)$", "^users_(?!list|retrieve)"
RUNS = {
    "as a user": ("alice", "examples,coverage,fuzzing,stateful", ("--exclude-tag=users",)),
    "as one who reads users": ("ada", "coverage,fuzzing", (f"--include-operation-id-regex={READS}",)),
    "as one who changes users": ("ada", "coverage,fuzzing", (f"--include-operation-id-regex={WRITES}",)),
}


def schemathesis(system: System, report: Path, user: str, phases: str, which: tuple[str, ...]) -> tuple[Any, str]:
    """The report of a run, and what it has printed."""
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        f"--config-file={HERE / 'schemathesis.toml'}",
        "run",
        str(SNAPSHOT),
        f"--url={system.url}",
        f"--phases={phases}",
        f"--max-examples={EXAMPLES}",
        "--checks=all",
        "--exclude-checks=use_after_free",  # a deleted task has a trash, a history, a way back: test_state_machine.py
        "--seed=1",
        "--continue-on-failure",
        "--no-shrink",
        "--report=json",
        f"--report-json-path={report}",
        *which,
    ]
    environment = {
        **os.environ,
        "CONTRACT_USER": user,
        "SCHEMATHESIS_HOOKS": "tests.contract.schemathesis_hooks",
        "PYTHONPATH": str(HERE.parents[1]),
    }
    done = subprocess.run(  # noqa: PLW1510 (its report says more than its code)
        command, cwd=report.parent, env=environment, capture_output=True, text=True, timeout=SECONDS
    )
    assert report.exists(), done.stdout + done.stderr
    return json.loads(report.read_text(encoding="utf-8")), done.stdout


def test_the_servers_answer_as_the_document_says(
    real_system: System, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tested = cases = 0
    try:
        for number, (name, run) in enumerate(RUNS.items()):
            report, printed = schemathesis(real_system, tmp_path / f"{number}.json", *run)
            assert (report["complete"], report["exit_code"]) == (True, 0), printed
            assert report["operations"]["tested"] == report["operations"]["selected"], name
            assert report["warnings"]["missing_auth"] == [], "operations that refused all their calls"
            tested += report["operations"]["tested"]
            cases += report["test_cases"]["generated"]
    finally:  # later tests expect to be told of everything
        real_system.caller("alice").patch("/v1/me/preferences", {"time_zone": None, "notifications": None})
    with capsys.disabled():
        print(f"\nSchemathesis: {cases} cases over {tested} operations")  # noqa: T201
    assert tested == report["operations"]["total"], "an operation was left out"
    assert cases > 500
