"""The results as a file and as a table."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.load.cases import NAMES

_MEASURED = ("rps", "p50_ms", "p99_ms", "errors", "api_cpu_s_per_1000", "postgres_cpu_s_per_1000")
_FIELDS = ("case", "server", "tasks", *_MEASURED)
_HEADS = ("case", "server", "tasks", "calls/s", "p50 ms", "p99 ms", "errors", "API CPU s/1000", "PostgreSQL CPU s/1000")


def write(path: Path, results: Sequence[dict[str, Any]]) -> None:
    ordered = [{name: result[name] for name in _FIELDS} for result in results]
    path.write_text(json.dumps(ordered, indent=2) + "\n", encoding="utf-8")


def table(results: Sequence[dict[str, Any]]) -> str:
    """As Markdown; beside the reference server with Taskmill's calls per second as a multiple of its."""
    ours = {result["case"]: result["rps"] for result in results if result["server"] == "taskmill"}
    heads = [*_HEADS, "Taskmill / this"]
    lines = [f"| {' | '.join(heads)} |", "|---|---|" + "---:|" * (len(heads) - 2)]
    for result in sorted(results, key=lambda one: NAMES.index(one["case"])):
        ratio = "" if result["server"] == "taskmill" else f"{ours[result['case']] / max(0.001, result['rps']):.2f}"
        lines.append(f"| {' | '.join(_shown(result[name]) for name in _FIELDS)} | {ratio} |")
    return "\n".join(lines)


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
