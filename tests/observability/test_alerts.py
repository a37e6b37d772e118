"""The alert rules are right by Prometheus' own tool, which plays numbers to them and looks at what fires."""

import subprocess
from pathlib import Path

import pytest

PROMETHEUS = Path(__file__).resolve().parents[2] / "docker" / "prometheus"


@pytest.mark.stack  # promtool comes with the stack's Prometheus
@pytest.mark.parametrize("arguments", [("check", "rules/taskmill.yml"), ("test", "tests/taskmill_test.yml")])
def test_the_rules_fire_when_they_should(arguments: tuple[str, str]) -> None:
    verb, file = arguments
    done = subprocess.run(
        ["promtool", verb, "rules", str(PROMETHEUS / file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
