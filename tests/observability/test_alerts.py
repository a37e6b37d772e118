"""The alert rules are right by Prometheus' own tool, which plays numbers to them and looks at what fires."""

import importlib
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from config.observability.state import State

PROMETHEUS = Path(__file__).resolve().parents[2] / "docker" / "prometheus"


@pytest.mark.stack  # promtool comes with the stack's Prometheus
@pytest.mark.parametrize("arguments", [("check", "rules/taskmill.yml"), ("test", "tests/taskmill_test.yml")])
def test_the_rules_fire_when_they_should(arguments: tuple[str, str]) -> None:
    verb, file = arguments
    done = subprocess.run(
        ["promtool", verb, "rules", str(PROMETHEUS / file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


# Where our metrics are made; a process imports what it needs of them.
METRICS = (
    *("accounts.watcher", "config.cache.redis", "config.data.postgres.patience", "config.events.relay"),
    "config.observability.metrics",
)
OURS = re.compile(r"\b(?:taskmill|http_server)_[a-z_]+")


def test_rules_name_metrics_that_exist(db: None, settings: Any) -> None:
    """A mistyped name makes a rule that never fires, and no tool says so."""
    settings.BROKER_URL = "redis://127.0.0.1:1/0"  # where dead letters are counted here
    for module in METRICS:
        importlib.import_module(module)
    known = {name for names in REGISTRY._collector_to_names.values() for name in names}
    known |= {family.name for family in State().collect()}
    rules = (PROMETHEUS / "rules" / "taskmill.yml").read_text()
    named = set(OURS.findall(rules))
    assert len(named) >= 8
    assert named - known == set()
