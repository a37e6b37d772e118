"""`python -m tests`: all tests in three processes; the few that failed then once more, alone.

The tests of real servers keep two cores busy, and a part that is not given its turn for seconds looks like a broken
one. A test that fails again, or a run with many failures, fails. One that passed the second time is named at the end:
it is a defect of that test, to be mended (docs/decisions/0012-failed-tests-run-again-alone.md).
"""

import json
import subprocess
import sys
from pathlib import Path

from config.launch.console import Console

ROOT = Path(__file__).resolve().parent.parent
FEW = 3
_PYTEST = [sys.executable, "-m", "pytest"]
_FAILED = ROOT / ".pytest_cache" / "v" / "cache" / "lastfailed"


def main(arguments: list[str]) -> int:
    _FAILED.unlink(missing_ok=True)
    code = _run("-n", "3", *arguments)
    failed = _failed()
    if code != 1 or not 0 < len(failed) <= FEW:
        return code
    console = Console()
    console.line(f"{len(failed)} failed beside others; once more, alone:")
    code = _run(*failed)
    for name in sorted(set(failed) - set(_failed())):
        console.line(f"UNSTEADY: {name} failed at first: it needs mending.")
    return code


def _run(*arguments: str) -> int:
    return subprocess.run([*_PYTEST, *arguments], cwd=ROOT, check=False).returncode


def _failed() -> list[str]:
    return list(json.loads(_FAILED.read_text(encoding="utf-8"))) if _FAILED.exists() else []


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
