"""`make bench`: measures a system of its own, seeded, and beside it the reference server when REFERENCE names one."""

import os
import sys
from pathlib import Path

from config.launch import disk, state
from config.launch.application import ROOT
from config.launch.console import Console
from config.launch.errors import LaunchError
from tests.load import report, system
from tests.load.options import Options


def main() -> int:
    console, folder = Console(), Path(os.environ.get("BENCH_DIR") or ROOT / ".bench").resolve()
    try:
        disk.prepare(folder, megabytes=1000)
        options = Options.of(os.environ)
        with state.only_one(folder, "`make bench`"):
            bench = system.build(folder, options, console)
            bench.run()
        if not bench.results:
            return 1
        report.write(folder / "results.json", bench.results)
        console.line(report.table(bench.results))
    except LaunchError as error:
        console.line(f"bench: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
